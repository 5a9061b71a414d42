-- A gauge is known by what it measures and not by its name, is filled some entities at a time, and keeps since when each of
-- its movements is known. Those begun before may have missed something while nobody could read them: all are filled anew.
TRUNCATE gauge_begun, gauge_change;
ALTER TABLE gauge_begun
    ADD COLUMN meaning   text COLLATE "C" NOT NULL, -- hash of what decides the numbers
    ADD COLUMN filled_to uuid NOT NULL,             -- entities up to this reference are in it; the last one there can be: all
    ADD COLUMN filled_at timestamptz;               -- wall time; before it nothing was known of the gauge
ALTER TABLE gauge_change ADD COLUMN first_known_at timestamptz NOT NULL;
