-- Whether what a stream had in quarantine was replayed after this activation
ALTER TABLE contract ADD COLUMN replayed boolean NOT NULL DEFAULT true;
ALTER TABLE contract ALTER COLUMN replayed SET DEFAULT false;
