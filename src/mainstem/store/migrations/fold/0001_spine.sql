-- The fold: what a rebuild makes anew from the lake. Schema mainstem_fold; a rebuild fills a second one and swaps.
-- A reference (ref) is a computed 128-bit pseudonym, kept as uuid because that is PostgreSQL's 16-byte value.
CREATE TABLE sink_position (
    epoch       integer NOT NULL,
    partition   smallint NOT NULL,
    lane        smallint NOT NULL,
    position    bigint NOT NULL,
    lease_epoch bigint NOT NULL,
    committed_at timestamptz NOT NULL,
    PRIMARY KEY (epoch, partition, lane)
);
-- Terms of the conservation equation other than received and pending, each written with what it counts.
CREATE TABLE ledger (
    epoch     integer NOT NULL,
    partition smallint NOT NULL,
    source    text COLLATE "C" NOT NULL,
    stream    text COLLATE "C" NOT NULL,
    day       date NOT NULL,               -- the record's received day
    term      text COLLATE "C" NOT NULL CHECK (term IN ('accepted', 'duplicate', 'quarantined', 'held', 'discarded')),
    n         bigint NOT NULL,
    PRIMARY KEY (epoch, partition, source, stream, day, term)
);
-- Deduplication of events: keys of new ids, sorted and packed, one row a commit and stream ...
CREATE TABLE dedup_run (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partitions smallint NOT NULL,          -- the keys are of the slots that are `partition` modulo this
    partition  smallint NOT NULL,
    source     text COLLATE "C" NOT NULL,
    stream     text COLLATE "C" NOT NULL,
    space      text COLLATE "C" NOT NULL CHECK (space IN ('day', 'whole', 'none')), -- none: receipts that cannot repeat
    n          integer NOT NULL,
    days       jsonb NOT NULL,             -- {received day: n}
    checksum   bigint NOT NULL,            -- CRC-32 of keys
    keys       bytea CHECK ((keys IS NULL) = (space = 'none'))
);
ALTER TABLE dedup_run ALTER COLUMN keys SET STORAGE EXTERNAL;
-- ... and sealed into sorted files. A key lies in exactly one run or segment.
CREATE TABLE dedup_segment (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partitions smallint NOT NULL,
    partition  smallint NOT NULL,
    source     text COLLATE "C" NOT NULL,
    stream     text COLLATE "C" NOT NULL,
    space      text COLLATE "C" NOT NULL CHECK (space IN ('day', 'whole')),
    path       text COLLATE "C" NOT NULL UNIQUE,
    n          bigint NOT NULL,
    days       jsonb NOT NULL,
    content_hash text COLLATE "C" NOT NULL
);

CREATE TABLE quarantine (
    id               uuid PRIMARY KEY,     -- computed from the place
    epoch            integer NOT NULL,
    partition        smallint NOT NULL,
    lane             smallint NOT NULL,
    position         bigint NOT NULL,
    index            integer NOT NULL,
    source           text COLLATE "C" NOT NULL,
    stream           text COLLATE "C" NOT NULL,
    contract_version integer NOT NULL,
    received_at      timestamptz NOT NULL,
    reason           text COLLATE "C" NOT NULL,  -- bounded code
    field            text COLLATE "C",
    message          text NOT NULL,        -- never holds a value of the record
    state            text COLLATE "C" NOT NULL CHECK (state IN ('quarantined', 'held', 'dismissed', 'fixed')),
    decided_at       timestamptz,
    sealed           bytea NOT NULL        -- envelope and untouched payload
);
CREATE INDEX quarantine_open ON quarantine (source, stream, reason, received_at);

-- What a stream vouches for, per partition so that each row has one writer.
CREATE TABLE stream_clock (
    epoch            integer NOT NULL,
    partition        smallint NOT NULL,
    source           text COLLATE "C" NOT NULL,
    stream           text COLLATE "C" NOT NULL,
    last_occurred_at timestamptz,
    last_received_at timestamptz NOT NULL,
    PRIMARY KEY (epoch, partition, source, stream)
);

CREATE TABLE reference (
    ref           uuid PRIMARY KEY,
    source        text COLLATE "C" NOT NULL,
    kind          text COLLATE "C" NOT NULL,   -- customer, person
    value_sealed  bytea NOT NULL,
    first_seen_at timestamptz NOT NULL
);
CREATE INDEX reference_kind ON reference (kind, first_seen_at);

-- What was received of an entity, in merge order. A row stands for the record that made it and, when nothing came between,
-- for later ones that said the same: it spans (version, observed_at) to (last_version, last_observed_at). Spans never overlap.
CREATE TABLE entity_version (
    entity           text COLLATE "C" NOT NULL,
    ref              uuid NOT NULL,        -- of (source, entity, key)
    version          text COLLATE "C" NOT NULL, -- the vendor's, made comparable as text; '' when it has none
    observed_at      timestamptz NOT NULL,
    content_hash     uuid NOT NULL,        -- of op and mapped content
    last_version     text COLLATE "C" NOT NULL,
    last_observed_at timestamptz NOT NULL,
    accepted         boolean NOT NULL,     -- false: counted as a duplicate, kept for its place in the order
    op               text COLLATE "C" NOT NULL,
    source           text COLLATE "C" NOT NULL,
    stream           text COLLATE "C" NOT NULL,
    contract_version integer NOT NULL,
    day              date NOT NULL,        -- received day
    customer         uuid,
    attributes       jsonb NOT NULL,       -- mapped attributes without personal data
    sealed           bytea,                -- mapped attributes with personal data
    PRIMARY KEY (entity, ref, version, observed_at, content_hash)
);
-- The state that the versions add up to, whatever order they came in.
CREATE TABLE entity (
    entity       text COLLATE "C" NOT NULL,
    ref          uuid NOT NULL,
    customer     uuid,
    source       text COLLATE "C" NOT NULL,
    deleted      boolean NOT NULL,
    version      text COLLATE "C" NOT NULL, -- the last of the last version's span, and
    observed_at  timestamptz NOT NULL,
    row_hash     uuid NOT NULL,            -- its content hash: the state's own unless it is a patch
    content_hash uuid NOT NULL,            -- of the state
    attributes   jsonb NOT NULL,
    sealed       bytea,
    PRIMARY KEY (entity, ref)
);
CREATE INDEX entity_customer ON entity (customer, entity);

-- Metrics. A series is (metric, source, stream); its id is computed from the three, so that a rebuild names it alike.
CREATE TABLE series (
    series  bigint PRIMARY KEY,
    metric  text COLLATE "C" NOT NULL,
    source  text COLLATE "C" NOT NULL,
    stream  text COLLATE "C" NOT NULL,
    measure text COLLATE "C" NOT NULL,
    bucket  interval NOT NULL,
    grace   interval NOT NULL,
    UNIQUE (metric, source, stream)
);
CREATE TABLE cell (
    ref            uuid NOT NULL,
    series         bigint NOT NULL,
    bucket         timestamptz NOT NULL,
    first_known_at timestamptz NOT NULL,
    changed_at     timestamptz NOT NULL,
    last_at        timestamptz NOT NULL,          -- occurred_at of the newest event in it
    closed         boolean NOT NULL,
    dirty          boolean NOT NULL DEFAULT false, -- to be computed anew from its records
    value          numeric NOT NULL DEFAULT 0,    -- count and sum; what the state amounts to, where that is a number
    state          bytea,                         -- the other measures
    PRIMARY KEY (ref, series, bucket)
) PARTITION BY RANGE (bucket);
CREATE INDEX cell_dirty ON cell (series, bucket, ref) WHERE dirty;
CREATE TABLE cell_default PARTITION OF cell DEFAULT;
CREATE TABLE rollup (                             -- over all customers
    series bigint NOT NULL,
    bucket timestamptz NOT NULL,
    shard  smallint NOT NULL,
    grain  text COLLATE "C" NOT NULL,             -- hour, day; of states also week, month
    dirty  boolean NOT NULL DEFAULT false,
    stale  boolean NOT NULL DEFAULT true,         -- segment_rollup does not know of it yet
    value  numeric NOT NULL DEFAULT 0,
    state  bytea,
    PRIMARY KEY (series, grain, bucket, shard)
);
CREATE INDEX rollup_stale ON rollup (series, bucket) WHERE stale AND grain = 'day';
CREATE INDEX rollup_dirty ON rollup (series, grain, bucket, shard) WHERE dirty;
CREATE TABLE segment_rollup (                     -- over the customers of a segment, by the day; up to a minute behind
    series  bigint NOT NULL,
    segment text COLLATE "C" NOT NULL,
    bucket  timestamptz NOT NULL,
    value   numeric NOT NULL DEFAULT 0,
    state   bytea,
    PRIMARY KEY (segment, series, bucket)
);
CREATE INDEX segment_rollup_day ON segment_rollup (series, bucket);
CREATE TABLE segment_member (                     -- as last added up
    ref     uuid PRIMARY KEY,
    segment text COLLATE "C" NOT NULL
);
CREATE INDEX segment_member_segment ON segment_member (segment);
CREATE TABLE correction (                          -- an observation: restored, not folded
    id        bigint GENERATED ALWAYS AS IDENTITY,
    known_at  timestamptz NOT NULL,
    ref       uuid NOT NULL,
    series    bigint NOT NULL,
    bucket    timestamptz NOT NULL,
    old_value numeric,
    new_value numeric NOT NULL,
    old_state bytea,
    new_state bytea,
    cause     text COLLATE "C" NOT NULL,          -- late, decision, erasure, recompute
    place     text COLLATE "C" NOT NULL,
    exported  boolean NOT NULL DEFAULT false,
    PRIMARY KEY (known_at, id)
) PARTITION BY RANGE (known_at);
CREATE TABLE correction_default PARTITION OF correction DEFAULT;
CREATE INDEX correction_cell ON correction (ref, series, bucket, known_at);
CREATE TABLE timeline (
    ref      uuid NOT NULL,
    last_at  timestamptz NOT NULL,                -- of the newest event in the row
    id       bigint GENERATED ALWAYS AS IDENTITY,
    source   text COLLATE "C" NOT NULL,
    stream   text COLLATE "C" NOT NULL,
    n        integer NOT NULL,
    body     bytea NOT NULL,                      -- an event a line, no personal data (processing/tables/timeline.py)
    PRIMARY KEY (ref, last_at, id)
) PARTITION BY RANGE (last_at);
CREATE TABLE timeline_default PARTITION OF timeline DEFAULT;

-- Health
CREATE TABLE touched (                            -- customers whose inputs changed
    ref   uuid PRIMARY KEY,
    since timestamptz NOT NULL                    -- the earliest data time at which one did
);
CREATE TABLE stream_horizon (                     -- up to where each stream vouched when scores were last swept
    source         text COLLATE "C" NOT NULL,
    stream         text COLLATE "C" NOT NULL,
    complete_until timestamptz NOT NULL,
    swept_at       timestamptz NOT NULL,          -- data time
    PRIMARY KEY (source, stream)
);
CREATE TABLE score (
    ref           uuid NOT NULL,
    model         text COLLATE "C" NOT NULL,
    model_version integer NOT NULL,
    revision      bigint NOT NULL,                -- compare-and-set
    score         numeric(5, 2) NOT NULL,
    band          text COLLATE "C" NOT NULL,
    grade         text COLLATE "C" NOT NULL,
    source        text COLLATE "C" NOT NULL,      -- of the reference
    segment       text COLLATE "C",
    as_of         timestamptz NOT NULL,
    computed_at   timestamptz NOT NULL,           -- wall time
    due_at        timestamptz,                    -- when time alone moves it
    last_seen_at  timestamptz,                    -- the customer's latest activity
    daily_at      timestamptz NOT NULL,           -- the latest daily row written, or due to be none before
    settled_at    timestamptz NOT NULL,           -- the latest one that no stream was behind of
    logged_at     timestamptz,                    -- as_of of the latest live row of the history
    pending       boolean NOT NULL DEFAULT false, -- the history still lacks what is shown here: one row a minute
    inputs        jsonb NOT NULL,
    contributions jsonb NOT NULL,
    PRIMARY KEY (ref, model)
);
CREATE INDEX score_due ON score (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX score_order ON score (model, score, ref);
CREATE INDEX score_seen ON score (model, last_seen_at, ref);
CREATE TABLE score_history (                       -- an observation: restored, not folded
    id            bigint GENERATED ALWAYS AS IDENTITY,
    ref           uuid NOT NULL,
    model         text COLLATE "C" NOT NULL,
    model_version integer NOT NULL,
    kind          text COLLATE "C" NOT NULL,      -- live, daily
    complete      boolean NOT NULL,               -- no stream was behind as_of
    as_of         timestamptz NOT NULL,
    known_at      timestamptz NOT NULL,
    score         numeric(5, 2) NOT NULL,
    band          text COLLATE "C" NOT NULL,
    grade         text COLLATE "C" NOT NULL,
    inputs        jsonb NOT NULL,
    contributions jsonb NOT NULL,
    cause         text COLLATE "C" NOT NULL,      -- behaviour, time, late, decision, model
    exported      boolean NOT NULL DEFAULT false,
    PRIMARY KEY (ref, model, as_of, id)
) PARTITION BY RANGE (as_of);
CREATE TABLE score_history_default PARTITION OF score_history DEFAULT;

-- Live changes: one writer a channel, so that sequence order is commit order. Sinks write 0-15, scorers 16-31.
CREATE TABLE change_head (
    channel  smallint PRIMARY KEY,
    sequence bigint NOT NULL,
    pruned   bigint NOT NULL DEFAULT 0            -- the last forgotten one: who stands before it has to start anew
) WITH (fillfactor = 50);
CREATE TABLE change (
    channel  smallint NOT NULL,
    sequence bigint NOT NULL,
    at       timestamptz NOT NULL,
    kind     text COLLATE "C" NOT NULL,           -- metric, score, ledger, entity
    body     jsonb NOT NULL,
    PRIMARY KEY (channel, sequence)
);
CREATE INDEX change_age ON change (at);
