-- name: get
SELECT user_id, kind, key, other_id, amount_fen, text, at_ms FROM wallet_orders
WHERE user_id = $1 AND kind = $2 AND key = $3

-- name: insert
INSERT INTO wallet_orders (user_id, kind, key, other_id, amount_fen, text, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: find_outcome
-- The time tells an order from a later one with the same key, which has found it. With the wallets that it has changed.
SELECT asked.place, w.user_id, w.balance_fen, w.version
FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::bigint[]) WITH ORDINALITY
    AS asked (user_id, kind, key, at_ms, place)
JOIN wallet_orders o USING (user_id, kind, key, at_ms)
JOIN wallets w ON w.user_id IN (o.user_id, o.other_id)
