-- name: get
SELECT user_id, kind, key, other_id, amount_fen, text, at_ms FROM wallet_orders
WHERE user_id = $1 AND kind = $2 AND key = $3

-- name: insert
INSERT INTO wallet_orders (user_id, kind, key, other_id, amount_fen, text, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING pg_current_xact_id()::xid::text::bigint AS xid

-- name: find_outcome
-- With the wallets that it has changed. The transaction tells an order that came to nothing from one with the same key; the
-- time does not do when both have one millisecond. After a failover a number may be used again, at another time.
SELECT asked.place, w.user_id, w.balance_fen, w.version
FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::bigint[], $5::bigint[]) WITH ORDINALITY
    AS asked (user_id, kind, key, at_ms, xid, place)
JOIN wallet_orders o USING (user_id, kind, key, at_ms)
JOIN wallets w ON w.user_id IN (o.user_id, o.other_id)
WHERE o.xmin::text::bigint = asked.xid
