-- Metrics over states. A gauge's value at the end of a day is the sum of its changes up to that day.
CREATE TABLE gauge_change (
    series bigint NOT NULL,
    ref    uuid NOT NULL,                         -- the customer's
    day    date NOT NULL,                         -- on which a version began to be in force, or ceased to
    value  numeric NOT NULL,
    PRIMARY KEY (series, ref, day)
) WITH (fillfactor = 80);
CREATE INDEX gauge_change_day ON gauge_change (series, day) INCLUDE (value);
-- The gauges that this fold measures: what was there when they began has been added up.
CREATE TABLE gauge_begun (
    metric text COLLATE "C" PRIMARY KEY
);
