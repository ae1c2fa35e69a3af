-- name: due
-- Leases of campaigns (shake) go back to their pool (storage/postgres/campaigns/leases.sql). A scheduled packet that
-- waits is taken by the server that posts it, first.
SELECT packet_id FROM packets p
WHERE closed_at_ms IS NULL AND expires_at_ms <= $1 AND kind <> 'shake' AND (send_at_ms IS NULL OR NOT EXISTS (
    SELECT FROM scheduled_packets s WHERE s.packet_id = p.packet_id AND s.state = 'waiting'))
ORDER BY expires_at_ms LIMIT $2

-- name: lock_open
SELECT packet_id FROM packets WHERE packet_id = ANY($1) AND closed_at_ms IS NULL ORDER BY packet_id FOR UPDATE

-- name: refund
-- A statement of its own after lock_open, so that its snapshot sees every claim committed before the lock. Reminder 3 is
-- the refund (ReminderKind), transfer 5 too (TransferKind, server/core/ledger.py).
WITH opened AS (
    SELECT p.packet_id, coalesce(sum(c.amount_fen), 0) AS claimed_fen
    FROM packets p LEFT JOIN claims c USING (packet_id)
    WHERE p.packet_id = ANY($1)
    GROUP BY p.packet_id
), closed AS (
    UPDATE packets p
    SET closed_at_ms = $2, refunded_fen = p.total_fen - opened.claimed_fen
    FROM opened
    WHERE p.packet_id = opened.packet_id AND p.closed_at_ms IS NULL
    RETURNING p.packet_id, p.sender_id, p.refunded_fen
), posted AS (
    INSERT INTO outbox (stream_id, reminder, packet_ids, at_ms)
    SELECT sender_id, 3, array_agg(packet_id ORDER BY packet_id), $2 FROM closed GROUP BY sender_id ORDER BY sender_id
), transferred AS (
    INSERT INTO transfers (debit_account, credit_account, kind, key, amount_fen, at_ms)
    SELECT packet_id, sender_id, 5, '', refunded_fen, $2 FROM closed
    RETURNING debit_account AS packet_id, credit_account AS user_id, amount_fen
), sums AS (
    SELECT user_id, max(packet_id) AS last_packet_id, count(*) AS refunds, sum(amount_fen)::bigint AS change_fen,
           array_agg(packet_id ORDER BY packet_id) AS packets, array_agg(amount_fen ORDER BY packet_id) AS amounts
    FROM transferred GROUP BY user_id
), paid AS (
    INSERT INTO wallets AS w (user_id, balance_fen, version)
    SELECT user_id, change_fen, refunds FROM sums ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE
    SET balance_fen = w.balance_fen + excluded.balance_fen, version = w.version + excluded.version
    RETURNING user_id, balance_fen, version
), entered AS (
    -- One row for all refunds of a user; the version counts each.
    INSERT INTO entries (user_id, version, kind, account, change_fen, balance_fen, at_ms, accounts, changes_fen)
    SELECT user_id, version, 5, last_packet_id, change_fen, balance_fen, $2,
           CASE WHEN refunds > 1 THEN packets END, CASE WHEN refunds > 1 THEN amounts END
    FROM sums JOIN paid USING (user_id)
)
SELECT closed.packet_id, closed.sender_id, closed.refunded_fen, paid.balance_fen, paid.version,
       pg_current_xact_id()::xid::text::bigint AS xid
FROM closed JOIN paid ON paid.user_id = closed.sender_id
ORDER BY closed.packet_id
