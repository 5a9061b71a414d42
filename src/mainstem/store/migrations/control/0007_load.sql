-- Loads of streams whose contract says how large one is, judged before their first row was received.
CREATE TABLE load (
    id         uuid PRIMARY KEY,               -- computed from source, stream and the files' contents and names
    source     text COLLATE "C" NOT NULL,
    stream     text COLLATE "C" NOT NULL,
    rows       bigint NOT NULL,
    state      text COLLATE "C" NOT NULL CHECK (state IN ('passed', 'held', 'released', 'dismissed')),
    least      bigint,                         -- the band it was judged by; null: no such bound
    most       bigint,
    decided_by text COLLATE "C" NOT NULL DEFAULT '',
    reason     text NOT NULL DEFAULT '',
    begun_at   timestamptz NOT NULL DEFAULT now(),
    counted_at timestamptz                     -- since when it says what is usual: it was taken in to its end, or released
);
CREATE INDEX load_history ON load (source, stream, counted_at DESC) WHERE counted_at IS NOT NULL;
