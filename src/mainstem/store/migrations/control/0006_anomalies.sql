-- What was far from what was expected. Begin of the judged day; of freshness, since when nothing came.
CREATE TABLE anomaly (
    signal    text COLLATE "C" NOT NULL,
    source    text COLLATE "C" NOT NULL,          -- '' for a metric, which may have several
    stream    text COLLATE "C" NOT NULL,
    name      text COLLATE "C" NOT NULL,          -- of a field or metric, or ''
    at        timestamptz NOT NULL,
    tier      text COLLATE "C" NOT NULL CHECK (tier IN ('warn', 'error')),
    value     double precision NOT NULL,
    expected  double precision NOT NULL,
    low       double precision NOT NULL,
    high      double precision NOT NULL,
    deviation double precision NOT NULL,          -- in usual distances
    seen_at   timestamptz NOT NULL,
    ended_at  timestamptz,
    PRIMARY KEY (signal, at, source, stream, name)
);
CREATE INDEX anomaly_at ON anomaly (at);
-- Null means any. Ended mutes are kept: somebody decided them.
CREATE TABLE anomaly_mute (
    id     uuid PRIMARY KEY,
    signal text COLLATE "C",
    source text COLLATE "C",
    stream text COLLATE "C",
    name   text COLLATE "C",
    until  timestamptz NOT NULL,
    why    text NOT NULL,
    author text NOT NULL,
    at     timestamptz NOT NULL
);
-- The worst age of each stream in each hour, of the last eight weeks.
CREATE TABLE stream_age (
    source  text COLLATE "C" NOT NULL,
    stream  text COLLATE "C" NOT NULL,
    hour    timestamptz NOT NULL,
    seconds bigint NOT NULL,
    PRIMARY KEY (source, stream, hour)
);
CREATE INDEX stream_age_hour ON stream_age (hour);
