-- The checks that hold a record, as a JSON array of names; [] where it is quarantined. With it a dismissed record stays in its term.
ALTER TABLE quarantine ADD COLUMN held_by jsonb NOT NULL DEFAULT '[]';
-- Of a decision that lets a record take effect: the checks that do not hold it any more.
ALTER TABLE quarantine_decision ADD COLUMN released jsonb NOT NULL DEFAULT '[]';
ALTER TABLE quarantine_decision DROP CONSTRAINT quarantine_decision_decision_check;
ALTER TABLE quarantine_decision ADD CONSTRAINT quarantine_decision_decision_check
    CHECK (decision IN ('fixed', 'replayed', 'released', 'dismissed'));
