-- name: charge
SELECT * FROM payments WHERE kind = 'charge' AND user_id = $1 AND key = $2

-- name: withdrawal
SELECT * FROM payments WHERE kind = 'payout' AND user_id = $1 AND key = $2

-- name: insert
-- `account`: the name of the card at the bank, which statements bear.
INSERT INTO payments (number, gateway, kind, user_id, amount_fen, key, content, card_id, next_try_ms, created_at_ms,
                      changed_at_ms, account)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, coalesce((SELECT card_ref FROM cards WHERE card_id = $8), ''))
RETURNING *
