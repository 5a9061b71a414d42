-- What was decided about a quarantined record, by whom and why. A fold reproduces it from the decisions' own records.
CREATE TABLE quarantine_decision (
    id               uuid NOT NULL,        -- of the quarantined record
    epoch            integer NOT NULL,     -- the place of the decision
    partition        smallint NOT NULL,
    lane             smallint NOT NULL,
    position         bigint NOT NULL,
    index            integer NOT NULL,
    decided_at       timestamptz NOT NULL, -- when the decision was received
    decision         text COLLATE "C" NOT NULL CHECK (decision IN ('fixed', 'replayed', 'dismissed')),
    decided_by       text COLLATE "C" NOT NULL, -- user:NAME, key:NAME, command:NAME, or '' before this was kept
    reason           text NOT NULL,
    contract_version integer,              -- that a correction was checked by
    PRIMARY KEY (id, epoch, partition, lane, position, index)
);
