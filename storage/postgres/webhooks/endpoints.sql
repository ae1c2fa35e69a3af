-- name: put
-- Another secret than the present one replaces it; the present one stays valid beside it until $6. An endpoint that
-- was made or enabled says so. The row is locked by its insertion or update, so two servers do not rotate at once.
INSERT INTO webhook_endpoints AS e (name, url, types, state, secret, created_at_ms, changed_at_ms)
VALUES ($1, $2, $3, $4, $5, $7, $7)
ON CONFLICT (name) WHERE state <> 'removed' DO UPDATE SET
    url = excluded.url, types = excluded.types, state = excluded.state, secret = excluded.secret,
    previous_secret = CASE WHEN e.secret = excluded.secret THEN e.previous_secret ELSE e.secret END,
    previous_until_ms = CASE WHEN e.secret = excluded.secret THEN e.previous_until_ms ELSE $6 END,
    changed_at_ms = $7
RETURNING endpoint_id, name, url, types, state, created_at_ms, secret, previous_secret, previous_until_ms

-- name: lock_puts
-- One put at a time, so that the number of endpoints stays within its limit.
SELECT pg_advisory_xact_lock(x'686f6f6b'::bigint)  -- "hook"

-- name: others
SELECT count(*) FROM webhook_endpoints WHERE state <> 'removed' AND name <> $1

-- name: all
SELECT endpoint_id, name, url, types, state, created_at_ms, secret, previous_secret, previous_until_ms
FROM webhook_endpoints WHERE state <> 'removed' ORDER BY name

-- name: by_name
SELECT endpoint_id, name, url, types, state, created_at_ms, secret, previous_secret, previous_until_ms
FROM webhook_endpoints WHERE name = $1 AND state <> 'removed'

-- name: remove
UPDATE webhook_endpoints SET state = 'removed', changed_at_ms = $2 WHERE name = $1 AND state <> 'removed'
RETURNING endpoint_id

-- name: gone
-- Only if the endpoint still has the URL that answered 410.
UPDATE webhook_endpoints SET state = 'gone', changed_at_ms = $3
WHERE endpoint_id = $1 AND url = $2 AND state = 'enabled'
RETURNING name
