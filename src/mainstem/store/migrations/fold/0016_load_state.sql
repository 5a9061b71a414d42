-- What is left of a load is asked for all the time, and most of an old one is decided.
DROP INDEX quarantine_load;
CREATE INDEX quarantine_load_state ON quarantine (load, state) WHERE load IS NOT NULL;
