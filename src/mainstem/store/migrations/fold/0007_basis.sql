-- What a score rests on as numbers; the words are made when it is read. See mainstem.analytics.basis for the layout.
-- Also asked for when scores come back that an earlier release exported.
CREATE FUNCTION score_basis(inputs jsonb, contributions jsonb) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT '\x01'::bytea || coalesce(string_agg(
        set_byte('\x00', 0,
            array_position(ARRAY['fresh', 'partial', 'historical', 'stale', 'none'], coalesce(input ->> 'grade', 'none')) - 1
            + CASE WHEN told ->> 'reason' LIKE '%; counted as neutral.%' THEN 8
                   WHEN told ->> 'reason' LIKE '%; counted as the worst.%' THEN 16 ELSE 0 END
            + CASE WHEN told ->> 'reason' LIKE 'Not measured here:%' THEN 64
                   WHEN input ->> 'value' IS NULL THEN 32 ELSE 0 END)
        || int2send(round((told ->> 'points')::numeric * 100)::smallint)
        || int2send(round((told ->> 'weight')::numeric * 100)::smallint)
        || int8send(coalesce((extract(epoch FROM (input ->> 'at')::timestamptz) * 1000000)::bigint, '-9223372036854775808'::bigint))
        || int8send(greatest(least(coalesce((input ->> 'value')::numeric * 1000000, 0), 9223372036854775807),
                             -9223372036854775807)::bigint),
        ''::bytea ORDER BY place), ''::bytea)
    FROM jsonb_array_elements(contributions) WITH ORDINALITY AS one (told, place),
         LATERAL (SELECT inputs -> (told ->> 'component') AS input) AS found
$$;
ALTER TABLE score ADD COLUMN basis bytea;
UPDATE score SET basis = score_basis(inputs, contributions);
ALTER TABLE score ALTER COLUMN basis SET NOT NULL, DROP COLUMN inputs, DROP COLUMN contributions;
ALTER TABLE score_history ADD COLUMN basis bytea;
UPDATE score_history SET basis = score_basis(inputs, contributions);
ALTER TABLE score_history ALTER COLUMN basis SET NOT NULL, DROP COLUMN inputs, DROP COLUMN contributions;
