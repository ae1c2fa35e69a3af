-- name: settle
-- Taken largest first. A claim is credited only if its transfer is new, so twice is once; the records (received, years,
-- best_lucks) follow from what was credited, so the same holds for them. $3: the kinds that have a best luck.
WITH largest AS (
    SELECT ctid FROM settlement_queue ORDER BY amount_fen DESC LIMIT $1 FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM settlement_queue q USING largest WHERE q.ctid = largest.ctid
    RETURNING q.packet_id, q.user_id, q.amount_fen, q.queued_at_ms
), moved AS (
    INSERT INTO transfers (debit_account, credit_account, kind, key, amount_fen, at_ms)
    SELECT packet_id, user_id, 4, '', amount_fen, $2 FROM taken
    ON CONFLICT DO NOTHING
    RETURNING debit_account AS packet_id, credit_account AS user_id, amount_fen
), sums AS (
    SELECT user_id, min(packet_id) AS packet_id, count(*) AS claims, sum(amount_fen)::bigint AS change_fen
    FROM moved GROUP BY user_id
), credited AS (
    INSERT INTO wallets AS w (user_id, balance_fen)
    SELECT user_id, change_fen FROM sums ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE SET balance_fen = w.balance_fen + excluded.balance_fen, version = w.version + 1
    RETURNING user_id, balance_fen, version
), opened AS (
    -- To count the wallets is to have changed them all: whatever follows locks behind them, as every writer does.
    SELECT packet_id, user_id, moved.amount_fen, min(queued_at_ms) AS at_ms
    FROM moved JOIN taken USING (packet_id, user_id)
    WHERE (SELECT count(*) FROM credited) > 0
    GROUP BY packet_id, user_id, moved.amount_fen
), listed AS (
    INSERT INTO received (user_id, at_ms, packet_id) SELECT user_id, at_ms, packet_id FROM opened
    ON CONFLICT DO NOTHING
), lucky AS (
    -- LATERAL, so that it stays a look-up for each packet even if this was planned while the tables were small.
    INSERT INTO best_lucks (packet_id, user_id)
    SELECT packet_id, best.user_id
    FROM (SELECT DISTINCT packet_id FROM opened) AS credited_now, LATERAL (
        SELECT c.user_id FROM packets p JOIN claims c USING (packet_id)
        WHERE p.packet_id = credited_now.packet_id AND p.kind = ANY($3::text[]) AND p.version = p.shares
          AND NOT EXISTS (SELECT FROM best_lucks known WHERE known.packet_id = credited_now.packet_id)
        ORDER BY c.amount_fen DESC, c.index LIMIT 1
    ) AS best
    ORDER BY packet_id
    ON CONFLICT DO NOTHING
    RETURNING packet_id, user_id
), changes (user_id, at_ms, received_count, received_fen, best_lucks) AS (
    SELECT user_id, at_ms, 1, amount_fen, 0 FROM opened
    UNION ALL
    SELECT user_id, (SELECT at_ms FROM claims c WHERE c.packet_id = lucky.packet_id AND c.user_id = lucky.user_id), 0, 0, 1
    FROM lucky
), counted AS (
    INSERT INTO years AS y (user_id, year, received_count, received_fen, best_lucks)
    SELECT user_id, beijing_year(at_ms), sum(received_count), sum(received_fen), sum(best_lucks)
    FROM changes GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (user_id, year) DO UPDATE
    SET received_count = y.received_count + excluded.received_count,
        received_fen = y.received_fen + excluded.received_fen,
        best_lucks = y.best_lucks + excluded.best_lucks
)
SELECT user_id, packet_id, claims, change_fen, balance_fen, version, (SELECT count(*) FROM taken) AS taken
FROM sums JOIN credited USING (user_id)

-- name: recall
-- The time tells the transfer of a batch from one that credits the same claim later, when the batch came to nothing.
SELECT asked.place, w.balance_fen, w.version
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY
    AS asked (debit_account, credit_account, at_ms, place)
JOIN transfers t USING (debit_account, credit_account, at_ms)
JOIN wallets w ON w.user_id = credit_account
WHERE t.kind = 4 AND t.key = ''

-- name: backlog
SELECT count(*) AS claims, coalesce(sum(amount_fen), 0)::bigint AS amount_fen, min(queued_at_ms) AS oldest_ms
FROM settlement_queue
