-- name: bring_later
INSERT INTO corrections_between_sets (correction_id) VALUES ($1)

-- name: oldest
SELECT q.place, c.correction_id, c.break_id, c.debit_account, c.credit_account, c.amount_fen, c.state, c.proposed_uid,
       c.proposed_at_ms, c.decided_uid, c.decided_at_ms, c.reason
FROM corrections_between_sets q JOIN corrections c USING (correction_id) WHERE q.place > $1 ORDER BY q.place LIMIT $2

-- name: remove
DELETE FROM corrections_between_sets WHERE place = ANY($1::bigint[])

-- name: copy_correction
-- Once, so its money arrives once.
INSERT INTO corrections_of_sets (correction_id, break_id, debit_account, credit_account, amount_fen, state, proposed_uid,
                                 proposed_at_ms, decided_uid, decided_at_ms, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING RETURNING 1

-- name: payment_of
SELECT number FROM payment_breaks WHERE break_id = $1
