-- Rows written before bodies with properties were sealed: the job that trims timelines writes them anew.
ALTER TABLE timeline ADD COLUMN clear boolean NOT NULL DEFAULT true;
ALTER TABLE timeline ALTER COLUMN clear SET DEFAULT false;
