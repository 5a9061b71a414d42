-- Of a record of a load that was held as a whole: the load.
ALTER TABLE quarantine ADD COLUMN load uuid;
CREATE INDEX quarantine_load ON quarantine (load) WHERE load IS NOT NULL;
