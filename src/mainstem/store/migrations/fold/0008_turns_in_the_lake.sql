-- Turns go into the lake, like what was shown. A row that grows has to go there again.
ALTER TABLE lane_order ADD COLUMN exported boolean NOT NULL DEFAULT false;
