-- name: leave_unguarded
-- Transfers are never changed, but the credit that these speak of is lost: the claims wait again. As the owner of the table.
ALTER TABLE transfers DISABLE TRIGGER transfers_stay

-- name: queue_again
WITH lost AS (
    DELETE FROM transfers t USING unnest($1::bigint[], $2::bigint[]) AS a (packet_id, user_id)
    WHERE t.debit_account = a.packet_id AND t.kind = 22 AND t.key = a.user_id::text
    RETURNING a.packet_id, a.user_id
)
INSERT INTO settlement_queue (packet_id, user_id, amount_fen, queued_at_ms, index)
SELECT c.packet_id, c.user_id, c.amount_fen, c.at_ms, c.index FROM claims c JOIN lost USING (packet_id, user_id)

-- name: bring_again
-- $1: sender and key of the orders, as the key of their transfers has them.
INSERT INTO orders_between_sets (user_id, key)
SELECT o.user_id, o.key FROM wallet_orders o JOIN unnest($1::text[]) AS a (between_key) ON a.between_key = o.user_id || ':' || o.key
WHERE o.kind = 13 ON CONFLICT DO NOTHING

-- name: bring_corrections_again
-- $1: the same keys; those of corrections are their own.
INSERT INTO corrections_between_sets (correction_id)
SELECT correction_id FROM corrections
WHERE state = 'approved' AND format('break %s correction %s', break_id, correction_id) = ANY($1::text[]) ON CONFLICT DO NOTHING

-- name: guard_again
ALTER TABLE transfers ENABLE TRIGGER transfers_stay
