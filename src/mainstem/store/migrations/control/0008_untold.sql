-- A silence that a mute keeps from being told: it is told when the mute is over, if it still goes on by then.
ALTER TABLE anomaly ADD COLUMN untold boolean NOT NULL DEFAULT false;
CREATE INDEX anomaly_untold ON anomaly (at) WHERE untold AND ended_at IS NULL;
