-- The day on which an installation with a past began to count quality; no row: since ever. A rebuild counts everything.
CREATE TABLE quality_begun (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    day    date NOT NULL
);
-- A received day on which a field fell below its objective: told once.
CREATE TABLE quality_breach (
    source    text COLLATE "C" NOT NULL,
    stream    text COLLATE "C" NOT NULL,
    field     text COLLATE "C" NOT NULL,
    day       date NOT NULL,
    dimension text COLLATE "C" NOT NULL,
    value     numeric NOT NULL,
    objective numeric NOT NULL,
    seen_at   timestamptz NOT NULL,
    PRIMARY KEY (source, stream, field, day, dimension)
);
