"""The statements by which versions of entities are judged, and their histories read."""

__all__ = ["HISTORY", "INCOMING", "JUDGE", "LOCK", "OLD", "STEPPED"]

INCOMING = """
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_entity (
    entity text COLLATE "C", ref uuid, version text COLLATE "C", observed_at timestamptz, content_hash uuid,
    op text COLLATE "C", source text COLLATE "C", stream text COLLATE "C", contract_version integer, day date,
    customer uuid, attributes jsonb, sealed bytea, remedied jsonb, remedied_sealed bytea, position bigint,
    index integer
) ON COMMIT DELETE ROWS
"""

# A statement of its own: the next one then sees all that those who held the locks have written.
LOCK = """
SELECT count(*) FROM (
    SELECT FROM entity WHERE (entity, ref) IN (SELECT entity, ref FROM incoming_entity)
    ORDER BY entity, ref FOR UPDATE
) AS locked
"""

JUDGE = """
WITH judged AS MATERIALIZED (
    SELECT i.*, k.customer AS old_customer{more}, CASE
        WHEN k.ref IS NULL THEN 'first'
        WHEN (i.version, i.observed_at, i.content_hash) = (k.version, k.observed_at, k.row_hash) THEN 'same'
        WHEN (i.version, i.observed_at, i.content_hash) < (k.version, k.observed_at, k.row_hash) THEN 'merge'
        WHEN k.row_hash <> k.content_hash THEN 'merge'
        WHEN i.observed_at < k.observed_at THEN 'merge'
        WHEN i.content_hash = k.content_hash THEN 'again'
        ELSE 'next' END AS verdict
    FROM incoming_entity AS i LEFT JOIN entity AS k USING (entity, ref)
), versions AS (
    INSERT INTO entity_version (entity, ref, version, observed_at, content_hash, last_version, last_observed_at,
        accepted, op, source, stream, contract_version, day, customer, attributes, sealed, remedied, remedied_sealed)
    SELECT entity, ref, version, observed_at, content_hash, version, observed_at, true, op, source, stream,
        contract_version, day, customer, attributes, sealed, remedied, remedied_sealed
    FROM judged WHERE verdict IN ('first', 'next')
), made AS (
    INSERT INTO entity (entity, ref, customer, source, deleted, version, observed_at, row_hash, content_hash,
        attributes, sealed, remedied, remedied_sealed)
    SELECT entity, ref, customer, source, op = 'delete', version, observed_at, content_hash, content_hash, attributes,
        sealed, remedied, remedied_sealed
    FROM judged WHERE verdict = 'first' ORDER BY entity, ref
    ON CONFLICT DO NOTHING
    RETURNING 1
), changed AS (
    UPDATE entity AS e SET customer = j.customer, deleted = j.op = 'delete', version = j.version,
        observed_at = j.observed_at, row_hash = j.content_hash, content_hash = j.content_hash,
        attributes = j.attributes, sealed = j.sealed, remedied = j.remedied, remedied_sealed = j.remedied_sealed
    FROM judged AS j WHERE j.verdict = 'next' AND (e.entity, e.ref) = (j.entity, j.ref)
), seen AS (
    UPDATE entity AS e SET version = j.version, observed_at = j.observed_at
    FROM judged AS j WHERE j.verdict = 'again' AND (e.entity, e.ref) = (j.entity, j.ref)
), lengthened AS (
    UPDATE entity_version AS v SET last_version = j.version, last_observed_at = j.observed_at
    FROM judged AS j CROSS JOIN LATERAL (
        SELECT version, observed_at, content_hash FROM entity_version
        WHERE (entity, ref) = (j.entity, j.ref)
        ORDER BY version DESC, observed_at DESC, content_hash DESC LIMIT 1
    ) AS l
    WHERE j.verdict = 'again' AND (v.entity, v.ref, v.version, v.observed_at, v.content_hash)
        = (j.entity, j.ref, l.version, l.observed_at, l.content_hash)
){stepped}
SELECT source, stream, day, verdict, count(*), (SELECT count(*) FROM made),
    array_agg(ref) FILTER (WHERE verdict = 'merge'),
    array_agg(DISTINCT customer) FILTER (WHERE verdict IN ('first', 'next') AND customer IS NOT NULL),
    array_agg(DISTINCT old_customer) FILTER (WHERE verdict = 'next' AND old_customer IS DISTINCT FROM customer)
FROM judged GROUP BY source, stream, day, verdict
"""

# Put into JUDGE where entities are watched (`more` and `stepped`; otherwise nothing): a newer record that was observed no
# earlier begins to be in force when it was observed, and the state before it ceases to.
OLD = ", k.deleted AS old_deleted, k.attributes AS old_attributes"
STEPPED = """, stepped AS (
    INSERT INTO entity_step (entity, ref, source, stream, customer, day, sign, attributes, position, index)
    SELECT entity, ref, source, stream, customer, (observed_at AT TIME ZONE 'UTC')::date, 1, attributes,
        position, index
    FROM judged WHERE verdict IN ('first', 'next') AND op <> 'delete' AND customer IS NOT NULL AND entity = ANY(%(watched)s)
    UNION ALL
    SELECT j.entity, j.ref, j.source, l.stream, j.old_customer, (j.observed_at AT TIME ZONE 'UTC')::date, -1, j.old_attributes,
        j.position, j.index
    FROM judged AS j CROSS JOIN LATERAL (
        SELECT stream FROM entity_version WHERE (entity, ref) = (j.entity, j.ref)
        ORDER BY version DESC, observed_at DESC, content_hash DESC LIMIT 1
    ) AS l
    WHERE j.verdict = 'next' AND NOT j.old_deleted AND j.old_customer IS NOT NULL AND j.entity = ANY(%(watched)s)
)"""

# As much of the histories as the records can touch: from the last version before them that says everything. An entity may
# have thousands of versions, and nearly always the latest ones are enough.
HISTORY = """
SELECT given.ref, own.*
FROM unnest(%(refs)s::uuid[], %(versions)s::text[], %(ats)s::timestamptz[], %(hashes)s::uuid[])
    AS given (ref, version, at, hash)
LEFT JOIN LATERAL (
    SELECT version, observed_at, content_hash FROM entity_version
    WHERE (entity, ref) = (%(entity)s, given.ref) AND op <> 'patch'
      AND (version, observed_at, content_hash) <= (given.version COLLATE "C", given.at, given.hash)
    ORDER BY version DESC, observed_at DESC, content_hash DESC LIMIT 1
) AS whole ON true
CROSS JOIN LATERAL (
    SELECT version, observed_at, content_hash, last_version, last_observed_at, accepted, op, stream, contract_version,
        day, customer, attributes::text, sealed, remedied::text, remedied_sealed
    FROM entity_version
    WHERE (entity, ref) = (%(entity)s, given.ref)
      AND (version, observed_at, content_hash) >= (coalesce(whole.version, ''), coalesce(whole.observed_at, '-infinity'),
          coalesce(whole.content_hash, '00000000-0000-0000-0000-000000000000'))
    ORDER BY version, observed_at, content_hash
) AS own
"""
