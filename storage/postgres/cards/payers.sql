-- name: password
SELECT password_hash, pepper_id FROM payers WHERE user_id = $1 AND password_hash IS NOT NULL

-- name: tries
SELECT password_hash, pepper_id, failures, locked_until_ms FROM payers
WHERE user_id = $1 AND password_hash IS NOT NULL FOR UPDATE

-- name: count
UPDATE payers SET failures = $2, locked_until_ms = $3 WHERE user_id = $1

-- name: fitted
UPDATE payers SET failures = 0, locked_until_ms = 0, password_hash = $4, pepper_id = $5
WHERE user_id = $1 AND password_hash = $2 AND pepper_id = $3
RETURNING 1

-- name: put
UPDATE payers SET failures = 0, locked_until_ms = 0, password_hash = $2, pepper_id = $3 WHERE user_id = $1

-- name: put_first
UPDATE payers SET failures = 0, locked_until_ms = 0, password_hash = $2, pepper_id = $3
WHERE user_id = $1 AND password_hash IS NULL
RETURNING 1

-- name: forget
UPDATE payers SET failures = 0, locked_until_ms = 0, password_hash = NULL, pepper_id = '' WHERE user_id = $1

-- name: make
INSERT INTO payers (user_id) VALUES ($1) ON CONFLICT DO NOTHING

-- name: lock
SELECT FROM payers WHERE user_id = $1 FOR UPDATE

-- name: spent
-- Since a moment: what was paid by card or asked from a bank and has not failed, and transfers to other users. Payouts
-- that the server orders have no key, charges at a host wallet no card. What goes back to a card is not spent.
SELECT (
    coalesce((SELECT sum(amount_fen) FROM payments
              WHERE user_id = $1 AND created_at_ms >= $2 AND key IS NOT NULL AND state <> 'failed' AND kind <> 'refund'
                AND (card_id IS NOT NULL OR content IS NULL)), 0)
    + coalesce((SELECT sum(amount_fen) FROM wallet_orders WHERE user_id = $1 AND at_ms >= $2 AND kind = 13), 0)
)::bigint
