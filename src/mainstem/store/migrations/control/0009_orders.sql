-- Decisions about more records than one request decides about: they are carried out in the background, a stretch at a time.
CREATE TABLE quarantine_order (
    id         uuid PRIMARY KEY,
    verb       text COLLATE "C" NOT NULL CHECK (verb IN ('replay', 'release', 'dismiss')),
    selection  jsonb NOT NULL,
    source     text COLLATE "C",                   -- of all records that are meant; null: of any
    author     text NOT NULL,
    why        text NOT NULL,
    ordered_at timestamptz NOT NULL DEFAULT now(),
    selected   bigint NOT NULL,                    -- how many there were then
    state      text COLLATE "C" NOT NULL DEFAULT 'waiting'
               CHECK (state IN ('waiting', 'running', 'done', 'cancelled', 'failed')),
    turn       bigint NOT NULL DEFAULT 0,          -- rises with every stretch: who comes late with one finds another's
    turned_at  timestamptz NOT NULL DEFAULT now(),
    reached    uuid,                               -- the last record that was looked at
    matched    bigint NOT NULL DEFAULT 0,
    passing    bigint NOT NULL DEFAULT 0,
    decided    bigint NOT NULL DEFAULT 0,
    underway   bigint NOT NULL DEFAULT 0,
    settled    bigint NOT NULL DEFAULT 0,
    failing    bigint NOT NULL DEFAULT 0,
    failures   jsonb NOT NULL DEFAULT '[]',
    error      text,                               -- why it failed
    ended_at   timestamptz
);
CREATE INDEX quarantine_order_open ON quarantine_order (turned_at) WHERE ended_at IS NULL;
-- Of an order: decisions that it has not counted yet, and the turn in which they were made
ALTER TABLE decision_batch ADD COLUMN order_id uuid REFERENCES quarantine_order ON DELETE SET NULL, ADD COLUMN order_turn bigint;
CREATE INDEX decision_batch_order ON decision_batch (order_id) WHERE order_id IS NOT NULL;
