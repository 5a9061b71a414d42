-- Decisions about quarantined records that are on their way: nobody else decides about a record until one is in effect
CREATE TABLE decision_batch (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    heads      jsonb                              -- [{epoch, partition, lane, position}]: where the log holds them; null before
);
CREATE TABLE quarantine_claim (
    record uuid PRIMARY KEY,
    batch  bigint NOT NULL REFERENCES decision_batch ON DELETE CASCADE
);
CREATE INDEX quarantine_claim_batch ON quarantine_claim (batch);
