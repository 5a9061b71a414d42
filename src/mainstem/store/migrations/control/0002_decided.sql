-- Whether an activation has become a decision, which is what brings its text into the lake
ALTER TABLE contract ADD COLUMN decided boolean NOT NULL DEFAULT true;
ALTER TABLE contract ALTER COLUMN decided SET DEFAULT false;
ALTER TABLE declaration ADD COLUMN decided boolean NOT NULL DEFAULT true;
ALTER TABLE declaration ALTER COLUMN decided SET DEFAULT false;
