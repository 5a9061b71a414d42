-- What journeys are computed from when they are asked for: of each subject (a customer or a person), in which moments it did
-- one kind of thing. The state is an exact set, as of a distinct count; it never holds more than the moments of its bucket.
CREATE TABLE track (
    series bigint NOT NULL,
    bucket timestamptz NOT NULL,
    ref    uuid NOT NULL,                 -- the subject's
    dirty  boolean NOT NULL DEFAULT false,
    value  numeric NOT NULL,              -- how many moments there are
    state  bytea NOT NULL,
    PRIMARY KEY (series, bucket, ref)
) WITH (fillfactor = 60);
ALTER TABLE track ALTER COLUMN state SET STORAGE EXTERNAL;
