-- The newest of what waits, whatever its cause: without sorting all of it.
CREATE INDEX quarantine_age ON quarantine (received_at, id) WHERE state IN ('quarantined', 'held');
