-- The rule that a quarantined record breaks, or the limit (<field>.<word>); null for other reasons.
ALTER TABLE quarantine ADD COLUMN rule text COLLATE "C";
-- Copies that failed a rule or limit which lets them through; one writer a partition.
CREATE TABLE rule_warning (
    epoch     integer NOT NULL,
    partition smallint NOT NULL,
    source    text COLLATE "C" NOT NULL,
    stream    text COLLATE "C" NOT NULL,
    rule      text COLLATE "C" NOT NULL,
    field     text COLLATE "C",
    day       date NOT NULL,               -- the record's received day
    n         bigint NOT NULL,
    PRIMARY KEY (epoch, partition, source, stream, rule, day)
);
