-- Who has waited longest is scored first: a customer that is touched again before its turn keeps its place.
ALTER TABLE touched ADD COLUMN touched_at timestamptz NOT NULL DEFAULT clock_timestamp();
CREATE INDEX touched_order ON touched (touched_at, ref);
-- Midnights are filled in after the present: those after midnights_since wait; those up to restate_until have a score
-- already, which may have changed.
ALTER TABLE score ADD COLUMN midnights_since timestamptz, ADD COLUMN restate_until timestamptz;
CREATE INDEX score_midnights ON score (midnights_since) WHERE midnights_since IS NOT NULL;
