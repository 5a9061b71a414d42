-- What the checks found, by received copy; one writer a row. The arrays have a place for each of the fields, in the order in
-- which the contract version declares them.
CREATE TABLE quality_count (
    epoch              integer NOT NULL,
    partition          smallint NOT NULL,
    source             text COLLATE "C" NOT NULL,
    stream             text COLLATE "C" NOT NULL,
    contract_version   integer NOT NULL,
    day                date NOT NULL,          -- the record's received day
    records            bigint NOT NULL,        -- copies checked
    incomplete         bigint NOT NULL,        -- that lack something required
    invalid            bigint NOT NULL,        -- of which something cannot be read, or is not allowed
    inconsistent       bigint NOT NULL,        -- that break a rule over several fields
    timed              bigint NOT NULL,        -- whose lateness can be judged
    late               bigint NOT NULL,
    fields             text[] COLLATE "C" NOT NULL,
    field_checked      bigint[] NOT NULL,
    field_missing      bigint[] NOT NULL,
    field_invalid      bigint[] NOT NULL,
    field_inconsistent bigint[] NOT NULL,
    PRIMARY KEY (source, stream, day, contract_version, epoch, partition)
) WITH (fillfactor = 50);
CREATE INDEX quality_count_day ON quality_count (day);
-- Whose quarantined record it is, where its partition key says so.
ALTER TABLE quarantine ADD COLUMN customer uuid;
-- What was received before this release was not counted: up to this day counts say less than the lake.
INSERT INTO quality_begun (day)
    SELECT (now() AT TIME ZONE 'UTC')::date WHERE EXISTS (SELECT FROM sink_position) ON CONFLICT DO NOTHING;
