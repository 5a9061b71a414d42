-- What a record refers to and waits for. Rows stay when the record is decided: a rebuild finds here that it waited.
CREATE TABLE orphan (
    id               uuid NOT NULL,        -- of the record in `quarantine`
    epoch            integer NOT NULL,     -- its place
    partition        smallint NOT NULL,
    lane             smallint NOT NULL,
    position         bigint NOT NULL,
    index            integer NOT NULL,
    rule             text COLLATE "C" NOT NULL, -- the check that holds it
    entity           text COLLATE "C" NOT NULL, -- what it waits for
    ref              uuid NOT NULL,
    until            timestamptz NOT NULL, -- then it has waited long enough
    alone            boolean NOT NULL,     -- no check but those of what it waits for holds it
    open             boolean NOT NULL,     -- nobody has decided about it
    PRIMARY KEY (id, rule)
);
CREATE INDEX orphan_place ON orphan (epoch, partition, lane, position);
CREATE INDEX orphan_open ON orphan (until) WHERE open AND alone;
ALTER TABLE quarantine_decision DROP CONSTRAINT quarantine_decision_decision_check;
ALTER TABLE quarantine_decision ADD CONSTRAINT quarantine_decision_decision_check
    CHECK (decision IN ('fixed', 'replayed', 'released', 'dismissed', 'overdue'));
