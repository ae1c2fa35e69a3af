-- name: charge
SELECT * FROM payments WHERE kind = 'charge' AND user_id = $1 AND key = $2

-- name: withdrawal
SELECT * FROM payments WHERE kind = 'payout' AND user_id = $1 AND key = $2

-- name: card_refund
SELECT * FROM payments WHERE kind = 'refund' AND user_id = $1 AND key = $2

-- name: left_of_charge
-- What of a charge that has succeeded is neither given back nor being given back; null: the user has no such charge.
SELECT amount_fen - coalesce((SELECT sum(amount_fen) FROM payments WHERE of_number = $1 AND state <> 'failed'), 0)::bigint
FROM payments WHERE number = $1 AND user_id = $2 AND kind = 'charge' AND state = 'succeeded'

-- name: insert
-- `account`: the name of the card at the bank, which statements bear; $12: as it is known, null: from the card.
INSERT INTO payments (number, gateway, kind, user_id, amount_fen, key, content, card_id, next_try_ms, created_at_ms,
                      changed_at_ms, account, of_number)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, coalesce($12::text, (SELECT card_ref FROM cards WHERE card_id = $8), ''), $11)
RETURNING *
