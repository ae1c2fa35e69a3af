-- name: bring_later
INSERT INTO orders_between_sets (user_id, key) VALUES ($1, $2)

-- name: oldest
SELECT place, user_id, kind, key, other_id, amount_fen, text, at_ms
FROM orders_between_sets JOIN wallet_orders USING (user_id, key)
WHERE kind = 13 AND place > $1 ORDER BY place LIMIT $2

-- name: remove
DELETE FROM orders_between_sets WHERE place = ANY($1::bigint[])

-- name: copy_order
-- Once, so its money arrives once.
INSERT INTO wallet_orders (user_id, kind, key, other_id, amount_fen, text, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING RETURNING 1
