-- Previews of more records than one request looks at are ordered like decisions.
ALTER TABLE quarantine_order DROP CONSTRAINT quarantine_order_verb_check;
ALTER TABLE quarantine_order ADD CONSTRAINT quarantine_order_verb_check
    CHECK (verb IN ('replay', 'release', 'dismiss', 'preview'));
ALTER TABLE quarantine_order ADD COLUMN contract text; -- of a preview: the text that is tried
