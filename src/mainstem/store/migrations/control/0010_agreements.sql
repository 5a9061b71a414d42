-- What was measured of values beside a truth, another system or one another, on a day: the latest of it.
CREATE TABLE quality_measurement (
    source      text COLLATE "C" NOT NULL,
    stream      text COLLATE "C" NOT NULL,
    field       text COLLATE "C" NOT NULL,          -- '' for whole records
    dimension   text COLLATE "C" NOT NULL,
    method      text COLLATE "C" NOT NULL CHECK (method IN ('agreement', 'sample', 'unique')),
    name        text COLLATE "C" NOT NULL,          -- of the agreement; else <source>.<stream>
    day         date NOT NULL,                      -- of measured_at, in UTC
    measured_at timestamptz NOT NULL,
    good        bigint NOT NULL,
    n           bigint NOT NULL CHECK (n >= good AND good >= 0),
    PRIMARY KEY (source, stream, field, dimension, method, name, day)
);
CREATE INDEX quality_measurement_day ON quality_measurement (day);
-- What agreements came to: every evaluation of the last days, then the last of each day.
CREATE TABLE agreement_run (
    name    text COLLATE "C" NOT NULL,
    at      timestamptz NOT NULL,
    version integer NOT NULL,                       -- of the declaration
    figures jsonb NOT NULL,
    PRIMARY KEY (name, at)
);
-- Entities that differed, stood alone or shared a key in the latest evaluation, the latest changed ones.
CREATE TABLE agreement_difference (
    name        text COLLATE "C" NOT NULL,
    place       integer NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    comparison  integer,
    left_ref    uuid,
    right_ref   uuid,
    left_value  text,                               -- of attributes without personal data only
    right_value text,
    changed_at  timestamptz NOT NULL,
    PRIMARY KEY (name, place)
);
-- Values that entities of a stream share although each is to have its own, by the entities that have them.
CREATE TABLE shared_value (
    source text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    field  text COLLATE "C" NOT NULL,
    place  integer NOT NULL,
    n      bigint NOT NULL,                         -- entities
    refs   uuid[] NOT NULL,                         -- some of them
    at     timestamptz NOT NULL,
    PRIMARY KEY (source, stream, field, place)
);
