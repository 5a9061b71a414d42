-- Values that a remedy changed, by attribute: {"from": the value as it was, "by": [the remedies], "at": when it was observed};
-- null where there is none.
-- Those with personal data are sealed, as the values are.
ALTER TABLE entity_version ADD COLUMN remedied jsonb, ADD COLUMN remedied_sealed bytea;
ALTER TABLE entity ADD COLUMN remedied jsonb, ADD COLUMN remedied_sealed bytea;
-- Copies of which a remedy changed or marked a value; one writer a partition.
CREATE TABLE remedy_count (
    epoch     integer NOT NULL,
    partition smallint NOT NULL,
    source    text COLLATE "C" NOT NULL,
    stream    text COLLATE "C" NOT NULL,
    field     text COLLATE "C" NOT NULL,
    remedy    text COLLATE "C" NOT NULL,   -- its name in the contract, such as standardise.phone
    day       date NOT NULL,               -- the record's received day
    n         bigint NOT NULL,
    PRIMARY KEY (source, stream, day, field, remedy, epoch, partition)
);
