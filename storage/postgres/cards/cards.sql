-- name: bound
SELECT * FROM cards WHERE user_id = $1 AND unbound_at_ms IS NULL ORDER BY card_id

-- name: has_any
SELECT EXISTS (SELECT FROM cards WHERE user_id = $1 AND unbound_at_ms IS NULL)

-- name: get
SELECT * FROM cards WHERE card_id = $1

-- name: all_of
SELECT * FROM cards WHERE user_id = $1 ORDER BY card_id

-- name: of_others
SELECT * FROM cards WHERE gateway = $2 AND card_ref = $3 AND user_id <> $1 AND unbound_at_ms IS NULL

-- name: lock_card
-- Two users who bind one card at the same time: the second one sees the row of the first.
SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, x'63617264'::bigint))  -- "card"

-- name: put
INSERT INTO cards AS c (card_id, user_id, gateway, card_ref, bank, last4, sealed, key_id, bound_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (card_id) DO UPDATE SET bank = excluded.bank, sealed = excluded.sealed, key_id = excluded.key_id
RETURNING *

-- name: unbind
UPDATE cards SET unbound_at_ms = $3 WHERE user_id = $1 AND card_id = $2 AND unbound_at_ms IS NULL

-- name: has_open_payments
-- Of the cards; a payout that the host wallet gets names no card.
SELECT EXISTS (SELECT FROM payments WHERE user_id = $1 AND key IS NOT NULL AND state IN ('created', 'submitted', 'unknown'))

-- name: forget_cards
UPDATE cards SET sealed = NULL, unbound_at_ms = coalesce(unbound_at_ms, $2) WHERE user_id = $1

-- name: forget_challenges
DELETE FROM card_challenges WHERE user_id = $1

-- name: forget_marks
-- On which devices the user was seen, and where.
DELETE FROM risk_marks WHERE user_id = $1

-- name: sealed_otherwise
SELECT * FROM cards WHERE key_id <> $1 AND card_id > $2 AND sealed IS NOT NULL ORDER BY card_id LIMIT $3

-- name: seal_again
UPDATE cards c SET sealed = again.sealed, key_id = $4
FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS again (card_id, before, sealed)
WHERE c.card_id = again.card_id AND c.sealed = again.before
RETURNING 1
