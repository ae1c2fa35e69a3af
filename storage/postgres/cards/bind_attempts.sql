-- name: lock_number
-- Attempts at one number are counted one after the other, whichever users make them.
SELECT pg_advisory_xact_lock(hashtextextended(encode($1::bytea, 'hex'), x'62696e64'::bigint))  -- "bind"

-- name: delete_old
-- Of all users; those that another transaction deletes are left to it.
DELETE FROM bind_attempts WHERE attempt_id IN (
    SELECT attempt_id FROM bind_attempts WHERE at_ms < $1 ORDER BY at_ms LIMIT 1000 FOR UPDATE SKIP LOCKED)

-- name: counted
SELECT count(*) FILTER (WHERE user_id = $1) AS of_user, count(*) FILTER (WHERE number_mac = $2) AS of_number,
       coalesce(min(at_ms) FILTER (WHERE user_id = $1), 0) AS user_since_ms,
       coalesce(min(at_ms) FILTER (WHERE number_mac = $2), 0) AS number_since_ms
FROM bind_attempts WHERE (user_id = $1 OR number_mac = $2) AND at_ms >= $3

-- name: insert
INSERT INTO bind_attempts (attempt_id, user_id, number_mac, at_ms) VALUES ($1, $2, $3, $4)

-- name: remove
DELETE FROM bind_attempts WHERE attempt_id = $1

-- name: forget
DELETE FROM bind_attempts WHERE user_id = $1
