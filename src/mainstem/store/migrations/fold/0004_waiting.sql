-- What was shown and does not lie in the lake yet, in order.
CREATE INDEX correction_waiting ON correction (id) WHERE NOT exported;
CREATE INDEX score_history_waiting ON score_history (id) WHERE NOT exported;
