-- name: are_wanted
SELECT EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled')

-- name: tell_wanted
-- The row that stands for set 0. Its secret signs nothing.
INSERT INTO webhook_endpoints AS e (name, url, types, state, secret, created_at_ms, changed_at_ms)
VALUES ('set 0', '', '{}', $1, decode(repeat('00', 32), 'hex'), 0, 0)
ON CONFLICT (name) WHERE state <> 'removed' DO UPDATE SET state = excluded.state WHERE e.state <> excluded.state

-- name: external_ids
SELECT group_id, external_id FROM groups WHERE group_id = ANY($1)

-- name: groups_of_campaigns
SELECT campaign_id, group_id FROM campaigns WHERE campaign_id = ANY($1)

-- name: try_lock
SELECT pg_try_advisory_xact_lock($1)

-- name: oldest
SELECT event_id, webhook_id, type, subject, number, previous, at_ms FROM webhook_events ORDER BY event_id LIMIT $1

-- name: record
-- In set 0, for the endpoints that want them, in their order. The body tells which events came from other sets.
WITH asked AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[])
        WITH ORDINALITY AS a (webhook_id, type, subject, number, previous, at_ms, body, place)
), wanting AS (
    SELECT endpoint_id, types FROM webhook_endpoints WHERE state = 'enabled'
), made AS (
    INSERT INTO webhook_events (webhook_id, type, subject, number, previous, at_ms, body)
    SELECT webhook_id, type, subject, number, previous, at_ms, body FROM asked
    WHERE EXISTS (SELECT FROM wanting w WHERE w.types = '{}' OR asked.type = ANY(w.types))
    ORDER BY place
    ON CONFLICT (webhook_id) WHERE body IS NOT NULL DO NOTHING
    RETURNING event_id, type, at_ms
)
INSERT INTO webhook_deliveries (endpoint_id, event_id, next_at_ms)
SELECT endpoint_id, event_id, at_ms FROM made JOIN wanting w ON w.types = '{}' OR made.type = ANY(w.types)

-- name: remove
WITH deliveries AS (DELETE FROM webhook_deliveries WHERE event_id = ANY($1))
DELETE FROM webhook_events WHERE event_id = ANY($1)
