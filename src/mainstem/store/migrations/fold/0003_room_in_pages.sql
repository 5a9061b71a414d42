-- Cells and sums change again and again: with room in its page a changed row stays in it, and no index has to learn of it.
-- (Partitions made later get the same from store/partitions.py: a partitioned table has no such setting.)
DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'cell'::regclass LOOP
        EXECUTE format('ALTER TABLE %s SET (fillfactor = 60)', part);
    END LOOP;
END
$$;
ALTER TABLE rollup SET (fillfactor = 60);
-- Hashes do not compress, and trying took longer than writing them.
ALTER TABLE cell ALTER COLUMN state SET STORAGE EXTERNAL;
ALTER TABLE rollup ALTER COLUMN state SET STORAGE EXTERNAL;
ALTER TABLE correction ALTER COLUMN old_state SET STORAGE EXTERNAL, ALTER COLUMN new_state SET STORAGE EXTERNAL;
