-- How the two lanes of a partition took turns: bulk positions up to `bulk` took effect while the live lane stood at `live`.
-- One row a turn, not a commit. A rebuild takes the same turns, so that of two records with one identity the same one counts.
CREATE TABLE lane_order (
    epoch     integer NOT NULL,
    partition smallint NOT NULL,
    live      bigint NOT NULL,
    bulk      bigint NOT NULL,
    PRIMARY KEY (epoch, partition, live)
);
