-- The scores of all customers at one midnight, and of some customers at some midnights, without their explanations.
CREATE INDEX score_history_day ON score_history (model, as_of, ref, id DESC) INCLUDE (score, band) WHERE kind = 'daily';
