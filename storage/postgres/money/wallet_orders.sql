-- name: get
SELECT user_id, kind, key, other_id, amount_fen, text, at_ms FROM wallet_orders
WHERE user_id = $1 AND kind = $2 AND key = $3

-- name: insert
INSERT INTO wallet_orders (user_id, kind, key, other_id, amount_fen, text, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING pg_current_xact_id()::xid::text::bigint AS xid
