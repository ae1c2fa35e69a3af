-- name: settle
-- Taken largest first. A claim is credited only if its transfer is new, so twice is once.
WITH largest AS (
    SELECT ctid FROM settlement_queue ORDER BY amount_fen DESC LIMIT $1 FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM settlement_queue q USING largest WHERE q.ctid = largest.ctid
    RETURNING q.packet_id, q.user_id, q.amount_fen
), moved AS (
    INSERT INTO transfers (debit_account, credit_account, kind, key, amount_fen, at_ms)
    SELECT packet_id, user_id, 4, '', amount_fen, $2 FROM taken
    ON CONFLICT DO NOTHING
    RETURNING credit_account AS user_id, amount_fen
), sums AS (
    SELECT user_id, sum(amount_fen)::bigint AS change_fen FROM moved GROUP BY user_id
), credited AS (
    INSERT INTO wallets AS w (user_id, balance_fen)
    SELECT user_id, change_fen FROM sums ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE SET balance_fen = w.balance_fen + excluded.balance_fen
    RETURNING user_id, balance_fen
)
SELECT user_id, change_fen, balance_fen, (SELECT count(*) FROM taken) AS taken
FROM sums JOIN credited USING (user_id)

-- name: backlog
SELECT count(*) AS claims, coalesce(sum(amount_fen), 0)::bigint AS amount_fen, min(queued_at_ms) AS oldest_ms
FROM settlement_queue
