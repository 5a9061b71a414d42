-- Control plane: what is not a fold of the lake. Schema mainstem.
CREATE TABLE installation (
    single        boolean PRIMARY KEY DEFAULT true CHECK (single),
    id            uuid NOT NULL,
    created_at    timestamptz NOT NULL,
    key_check     bytea NOT NULL,          -- a keyed hash of a constant: proves that the keys are this installation's
    generation    bigint NOT NULL DEFAULT 1 -- rises with every rebuild that is swapped in
);
-- Data time of a replay; no row: data equals wall.
CREATE TABLE replay (
    single     boolean PRIMARY KEY DEFAULT true CHECK (single),
    name       text NOT NULL,
    origin     timestamptz NOT NULL,
    started    timestamptz NOT NULL,
    speed      double precision NOT NULL CHECK (speed > 0)
);
CREATE TABLE lease (
    name       text COLLATE "C" PRIMARY KEY,
    epoch      bigint NOT NULL,            -- rises with every change of owner
    owner      text NOT NULL,
    expires_at timestamptz NOT NULL        -- by the database's clock
);

-- Event log
CREATE TABLE log_epoch (
    epoch      integer PRIMARY KEY,
    partitions smallint NOT NULL,
    opened_at  timestamptz NOT NULL,
    closed_at  timestamptz
);
CREATE UNIQUE INDEX log_epoch_open ON log_epoch ((closed_at IS NULL)) WHERE closed_at IS NULL;
CREATE TABLE log_head (
    epoch            integer NOT NULL REFERENCES log_epoch,
    partition        smallint NOT NULL,
    lane             smallint NOT NULL,
    open             boolean NOT NULL,           -- as the epoch; here, so that an append's one lock decides
    position         bigint NOT NULL DEFAULT 0,  -- the last decided one
    last_received_at timestamptz NOT NULL,
    PRIMARY KEY (epoch, partition, lane)
) WITH (fillfactor = 50);                        -- room for updates in place: one an append
CREATE TABLE log_batch (
    epoch       integer NOT NULL,
    partition   smallint NOT NULL,
    lane        smallint NOT NULL,
    position    bigint NOT NULL,
    received_at timestamptz NOT NULL,
    records     integer NOT NULL,
    bytes       bigint NOT NULL,           -- of the records before compression
    counts      jsonb NOT NULL,            -- [[source, stream, n], ...]
    body        bytea NOT NULL,            -- compressed, then sealed
    PRIMARY KEY (epoch, partition, lane, position)
);
ALTER TABLE log_batch ALTER COLUMN body SET STORAGE EXTERNAL;  -- it is compressed already
CREATE TABLE log_received (
    epoch     integer NOT NULL,
    partition smallint NOT NULL,
    lane      smallint NOT NULL,           -- so that a bulk append never waits for a live one's row
    source    text COLLATE "C" NOT NULL,
    stream    text COLLATE "C" NOT NULL,
    day       date NOT NULL,
    n         bigint NOT NULL,
    PRIMARY KEY (epoch, partition, lane, source, stream, day)
) WITH (fillfactor = 50);
CREATE TABLE log_refused (
    source text COLLATE "C" NOT NULL,
    day    date NOT NULL,
    reason text COLLATE "C" NOT NULL,
    n      bigint NOT NULL,
    PRIMARY KEY (source, day, reason)
);
-- A source's word that a stream is alive although nothing happened.
CREATE TABLE heartbeat (
    source text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    at     timestamptz NOT NULL,
    PRIMARY KEY (source, stream)
);

-- Declarations in force, with their full text
CREATE TABLE contract (
    source       text COLLATE "C" NOT NULL,
    stream       text COLLATE "C" NOT NULL,
    version      integer NOT NULL,
    fingerprint  text COLLATE "C" NOT NULL,
    text         text NOT NULL,
    activated_at timestamptz NOT NULL,
    PRIMARY KEY (source, stream, version)
);
CREATE TABLE declaration (                 -- metrics and health models
    kind         text COLLATE "C" NOT NULL, -- metric, health_model
    name         text COLLATE "C" NOT NULL,
    version      integer NOT NULL,
    fingerprint  text COLLATE "C" NOT NULL,
    text         text NOT NULL,
    activated_at timestamptz NOT NULL,
    since        timestamptz,              -- of a metric: records received from then on count; null: all
    PRIMARY KEY (kind, name, version)
);

-- Lake manifest: what exists in the lake is what these rows name, and nothing else
CREATE TABLE lake_position (
    epoch       integer NOT NULL,
    partition   smallint NOT NULL,
    lane        smallint NOT NULL,
    position    bigint NOT NULL,           -- the last one that lies in the lake
    lease_epoch bigint NOT NULL,           -- of the writer that brought it there
    PRIMARY KEY (epoch, partition, lane)
);
CREATE TABLE lake_commit (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    epoch        integer NOT NULL,
    partition    smallint NOT NULL,
    lane         smallint NOT NULL,
    first        bigint NOT NULL,          -- read from here ...
    last         bigint NOT NULL CHECK (last >= first), -- ... to here; the next commit begins behind it
    records      bigint NOT NULL CHECK (records > 0),
    row_sum      numeric(39, 0) NOT NULL,  -- of all its files, modulo 2^128
    descriptor   text COLLATE "C" NOT NULL UNIQUE, -- the commit's own object; it makes the manifest rebuildable
    committed_at timestamptz NOT NULL,
    -- Every chain (epoch, partition, lane) has its own stretch of numbers, so that one range excludes overlaps.
    span         int8range NOT NULL GENERATED ALWAYS AS (
        int8range((((epoch::bigint * 64) + partition) * 2 + lane) * 1099511627776 + first,
                  (((epoch::bigint * 64) + partition) * 2 + lane) * 1099511627776 + last, '[]')) STORED,
    EXCLUDE USING gist (span WITH &&)
);
CREATE INDEX lake_commit_chain ON lake_commit (epoch, partition, lane, first);
CREATE TABLE lake_file (
    path             text COLLATE "C" PRIMARY KEY,
    commit_id        bigint NOT NULL REFERENCES lake_commit,
    source           text COLLATE "C" NOT NULL,
    stream           text COLLATE "C" NOT NULL,
    day              date NOT NULL,        -- received on
    contract_version integer NOT NULL,
    rows             bigint NOT NULL CHECK (rows > 0),
    row_sum          numeric(39, 0) NOT NULL, -- keyed hashes of its rows, added modulo 2^128
    bytes            bigint NOT NULL,
    content_hash     text COLLATE "C" NOT NULL -- SHA-256 of its bytes, hexadecimal
);
CREATE INDEX lake_file_stream ON lake_file (source, stream, day);
CREATE INDEX lake_file_commit ON lake_file (commit_id);
-- Objects that compaction has replaced; kept a while for readers under way
CREATE TABLE lake_replaced (
    path        text COLLATE "C" PRIMARY KEY,
    replaced_at timestamptz NOT NULL
);

-- Access
CREATE TABLE api_key (
    id          uuid PRIMARY KEY,
    name        text COLLATE "C" NOT NULL UNIQUE,
    role        text COLLATE "C" NOT NULL,
    secret_hash bytea NOT NULL UNIQUE,
    sources     text[],                    -- null: any source the role may write
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz,
    revoked_at  timestamptz,
    last_used_at timestamptz
);
CREATE TABLE app_user (
    id            uuid PRIMARY KEY,
    name          text COLLATE "C" NOT NULL UNIQUE,
    role          text COLLATE "C" NOT NULL,
    password_hash text NOT NULL,
    created_at    timestamptz NOT NULL,
    disabled_at   timestamptz
);
CREATE TABLE session (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
    csrf       bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
