-- name: put
-- $9: it keeps the secret that it has. Else $5, sealed under the key $8, replaces it, and that one stays valid beside it
-- until $6. An endpoint that was made or enabled says so. One put at a time (lock_puts): two do not rotate at once.
INSERT INTO webhook_endpoints AS e (name, url, types, state, secret, key_id, created_at_ms, changed_at_ms)
VALUES ($1, $2, $3, $4, $5, $8, $7, $7)
ON CONFLICT (name) WHERE state <> 'removed' DO UPDATE SET
    url = excluded.url, types = excluded.types, state = excluded.state,
    secret = CASE WHEN $9 THEN e.secret ELSE excluded.secret END,
    key_id = CASE WHEN $9 THEN e.key_id ELSE excluded.key_id END,
    previous_secret = CASE WHEN $9 THEN e.previous_secret ELSE e.secret END,
    previous_key_id = CASE WHEN $9 THEN e.previous_key_id ELSE e.key_id END,
    previous_until_ms = CASE WHEN $9 THEN e.previous_until_ms ELSE $6 END,
    changed_at_ms = $7
RETURNING endpoint_id, name, url, types, state, created_at_ms, secret, key_id, previous_secret, previous_key_id,
          previous_until_ms

-- name: lock_puts
-- One put at a time, so that the number of endpoints stays within its limit.
SELECT pg_advisory_xact_lock(x'686f6f6b'::bigint)  -- "hook"

-- name: others
SELECT count(*) FROM webhook_endpoints WHERE state <> 'removed' AND name <> $1

-- name: all
SELECT endpoint_id, name, url, types, state, created_at_ms, secret, key_id, previous_secret, previous_key_id,
       previous_until_ms
FROM webhook_endpoints WHERE state <> 'removed' ORDER BY name

-- name: by_name
SELECT endpoint_id, name, url, types, state, created_at_ms, secret, key_id, previous_secret, previous_key_id,
       previous_until_ms
FROM webhook_endpoints WHERE name = $1 AND state <> 'removed'

-- name: remove
UPDATE webhook_endpoints SET state = 'removed', changed_at_ms = $2 WHERE name = $1 AND state <> 'removed'
RETURNING endpoint_id

-- name: gone
-- Only if the endpoint still has the URL that answered 410.
UPDATE webhook_endpoints SET state = 'gone', changed_at_ms = $3
WHERE endpoint_id = $1 AND url = $2 AND state = 'enabled'
RETURNING name

-- name: not_sealed_with
SELECT endpoint_id, name, url, types, state, created_at_ms, secret, key_id, previous_secret, previous_key_id,
       previous_until_ms
FROM webhook_endpoints
WHERE key_id <> $1 OR (previous_secret IS NOT NULL AND previous_key_id <> $1)
ORDER BY endpoint_id

-- name: seal_again
-- The same secret in another seal: only what is there still.
UPDATE webhook_endpoints AS e SET
    secret = CASE WHEN e.secret = $2 THEN $3 ELSE e.secret END,
    key_id = CASE WHEN e.secret = $2 THEN $4 ELSE e.key_id END,
    previous_secret = CASE WHEN e.previous_secret = $2 THEN $3 ELSE e.previous_secret END,
    previous_key_id = CASE WHEN e.previous_secret = $2 THEN $4 ELSE e.previous_key_id END
WHERE endpoint_id = $1 AND (e.secret = $2 OR e.previous_secret = $2)
RETURNING endpoint_id
