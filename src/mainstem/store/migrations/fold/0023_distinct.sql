-- How many different values the fields of a received day have: of each field, in the order of the contract version, the 128
-- registers of a sketch (`mainstem.model.sketch`), a byte each. One writer a row.
CREATE TABLE quality_distinct (
    epoch            integer NOT NULL,
    partition        smallint NOT NULL,
    source           text COLLATE "C" NOT NULL,
    stream           text COLLATE "C" NOT NULL,
    contract_version integer NOT NULL,
    day              date NOT NULL,          -- the record's received day
    fields           text[] COLLATE "C" NOT NULL,
    registers        bytea NOT NULL,
    PRIMARY KEY (source, stream, day, contract_version, epoch, partition)
) WITH (fillfactor = 70);
CREATE INDEX quality_distinct_day ON quality_distinct (day);
-- What was received before this release was not counted so.
INSERT INTO quality_begun (day)
    SELECT (now() AT TIME ZONE 'UTC')::date WHERE EXISTS (SELECT FROM sink_position)
    ON CONFLICT (single) DO UPDATE SET day = excluded.day;
