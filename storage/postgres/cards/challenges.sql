-- name: lock_card
-- As for the cards: codes to one phone are counted one after the other, whichever users ask for them.
SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, x'63617264'::bigint))  -- "card"

-- name: delete_old
DELETE FROM card_challenges WHERE user_id = $1 AND created_at_ms < $2

-- name: sends
SELECT (SELECT coalesce(sum(sends), 0) FROM card_challenges WHERE user_id = $1 AND created_at_ms >= $4)::bigint,
       coalesce(sum(sends), 0)::bigint, coalesce(max(sent_at_ms), 0)
FROM card_challenges WHERE gateway = $2 AND card_ref = $3 AND created_at_ms >= $4

-- name: insert
INSERT INTO card_challenges VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)

-- name: lock
SELECT * FROM card_challenges WHERE challenge_id = $1 AND user_id = $2 FOR UPDATE

-- name: change
UPDATE card_challenges
SET code_mac = $2, mac_key_id = $3, attempts = $4, sends = $5, sent_at_ms = $6, expires_at_ms = $7, used_at_ms = $8
WHERE challenge_id = $1

-- name: use
UPDATE card_challenges SET used_at_ms = $2 WHERE challenge_id = $1 AND used_at_ms IS NULL RETURNING 1

-- name: release
UPDATE card_challenges SET used_at_ms = NULL WHERE challenge_id = $1 AND used_at_ms = $2

-- name: remove
DELETE FROM card_challenges WHERE challenge_id = $1
