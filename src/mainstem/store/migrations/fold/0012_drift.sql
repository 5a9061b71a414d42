-- Records that departed from their contract, by how: one writer a partition.
CREATE TABLE drift_count (
    epoch            integer NOT NULL,
    partition        smallint NOT NULL,
    source           text COLLATE "C" NOT NULL,
    stream           text COLLATE "C" NOT NULL,
    contract_version integer NOT NULL,
    kind             text COLLATE "C" NOT NULL CHECK (kind IN ('new_field', 'missing_field', 'type_change', 'enum_growth')),
    path             text COLLATE "C" NOT NULL,  -- a field; of a new one the key, * where keys are no names or too many
    day              date NOT NULL,              -- the record's received day
    n                bigint NOT NULL,            -- copies, repeats included
    discarded        bigint NOT NULL,            -- those of them that were discarded for it
    first_at         timestamptz NOT NULL,       -- when the first and the last one was received
    last_at          timestamptz NOT NULL,
    PRIMARY KEY (epoch, partition, source, stream, contract_version, kind, path, day)
);
CREATE INDEX drift_count_stream ON drift_count (source, stream, contract_version);
-- Which declared fields are there; the field '' stands for the stream.
CREATE TABLE field_presence (
    epoch            integer NOT NULL,
    partition        smallint NOT NULL,
    source           text COLLATE "C" NOT NULL,
    stream           text COLLATE "C" NOT NULL,
    contract_version integer NOT NULL,
    field            text COLLATE "C" NOT NULL,
    records          bigint NOT NULL,            -- of the stream: copies that went on and could have every field; of a
                                                 -- field: looked at in spans in which some lacked it
    absent           bigint NOT NULL,            -- of a field: copies without it
    refused          bigint NOT NULL,            -- those of them that did not go on for it
    run              bigint NOT NULL,            -- the latest copies in a row without it
    PRIMARY KEY (epoch, partition, source, stream, contract_version, field)
);
-- What was noticed, once: an observation, kept as it was told.
CREATE TABLE drift_finding (
    source           text COLLATE "C" NOT NULL,
    stream           text COLLATE "C" NOT NULL,
    contract_version integer NOT NULL,
    kind             text COLLATE "C" NOT NULL,
    path             text COLLATE "C" NOT NULL,
    observed         text COLLATE "C" NOT NULL,  -- a JSON type, a value that is no personal data, the field that went; or ''
    first_at         timestamptz NOT NULL,       -- when the first record that showed it was received
    known_at         timestamptz NOT NULL,
    types            text[] NOT NULL,            -- JSON types seen
    evidence         jsonb NOT NULL,             -- never holds a value of a record
    PRIMARY KEY (source, stream, contract_version, kind, path, observed)
);
CREATE INDEX drift_finding_age ON drift_finding (first_at);
-- As of quality: what was received before this release was not counted.
INSERT INTO quality_begun (day)
    SELECT (now() AT TIME ZONE 'UTC')::date WHERE EXISTS (SELECT FROM sink_position)
    ON CONFLICT (single) DO UPDATE SET day = excluded.day;
