-- name: is_sponsor
SELECT EXISTS (SELECT FROM sponsors WHERE user_id = $1)

-- name: lock
-- Bills of one sponsor for one user or group are judged one after the other: each counts those before it.
SELECT pg_advisory_xact_lock(hashtextextended('bills ' || $1::bigint || ' ' || $2::bigint, 0))

-- name: of_day
-- $3: the first moment of the day. One that is being asked for again is not counted with itself.
SELECT count(*), coalesce(sum(amount_fen), 0)::bigint FROM bills
WHERE sponsor_id = $1 AND target_id = $2 AND asked_at_ms >= $3 AND asked_at_ms < $3 + 86400000 AND failed = '' AND number <> $4

-- name: insert
INSERT INTO bills (sponsor_id, number, target_id, amount_fen, greeting, scene, kind, shares, asked_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING

-- name: try_again
UPDATE bills SET failed = '', asked_at_ms = $3 WHERE sponsor_id = $1 AND number = $2

-- name: lock_one
SELECT FROM bills WHERE sponsor_id = $1 AND number = $2 FOR UPDATE

-- name: fail
-- Unless another attempt at the same time has sent the packet. Webhooks tell of each failure.
WITH failed AS (
    UPDATE bills b SET failed = $3 WHERE sponsor_id = $1 AND number = $2
        AND NOT EXISTS (SELECT FROM packets p WHERE p.sender_id = b.sponsor_id AND p.key = 'bill:' || b.number AND p.kind = b.kind)
    RETURNING sponsor_id, number, failed
)
INSERT INTO bill_failures (sponsor_id, bill, reason, at_ms) SELECT sponsor_id, number, failed, $4 FROM failed

-- name: find
SELECT b.sponsor_id, b.number, b.target_id, b.amount_fen, b.greeting, b.scene, b.kind, b.shares, b.asked_at_ms, b.failed,
       p.packet_id, p.created_at_ms, p.expires_at_ms, p.closed_at_ms, p.refunded_fen, p.version, p.claimed_fen,
       CASE WHEN p.version = p.shares THEN (SELECT max(at_ms) FROM claims c WHERE c.packet_id = p.packet_id) END
FROM bills b LEFT JOIN packets p ON p.sender_id = b.sponsor_id AND p.key = 'bill:' || b.number AND p.kind = b.kind
WHERE b.sponsor_id = $1 AND b.number = $2

-- name: page
-- The newest bills of a sponsor, by when they were asked for last, behind the one at $2 with the number $3.
SELECT b.sponsor_id, b.number, b.target_id, b.amount_fen, b.greeting, b.scene, b.kind, b.shares, b.asked_at_ms, b.failed,
       p.packet_id, p.created_at_ms, p.expires_at_ms, p.closed_at_ms, p.refunded_fen, p.version, p.claimed_fen,
       CASE WHEN p.version = p.shares THEN (SELECT max(at_ms) FROM claims c WHERE c.packet_id = p.packet_id) END
FROM (
    SELECT * FROM bills WHERE sponsor_id = $1 AND (asked_at_ms, number) < ($2, $3)
    ORDER BY asked_at_ms DESC, number DESC LIMIT $4
) AS b LEFT JOIN packets p ON p.sender_id = b.sponsor_id AND p.key = 'bill:' || b.number AND p.kind = b.kind
ORDER BY b.asked_at_ms DESC, b.number DESC

-- name: range
SELECT sponsor_id, kind, low_fen, high_fen, greeting, sealed, key_id, set_at_ms FROM event_ranges
WHERE sponsor_id = $1 AND kind = $2 FOR UPDATE

-- name: set_range
INSERT INTO event_ranges (sponsor_id, kind, low_fen, high_fen, greeting, sealed, key_id, set_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (sponsor_id, kind) DO UPDATE
SET low_fen = excluded.low_fen, high_fen = excluded.high_fen, greeting = excluded.greeting, sealed = excluded.sealed,
    key_id = excluded.key_id, set_at_ms = excluded.set_at_ms

-- name: drop_range
DELETE FROM event_ranges WHERE sponsor_id = $1 AND kind = $2

-- name: report
INSERT INTO sponsor_events (sponsor_id, event_id, kind, user_id, at_ms) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING

-- name: event
SELECT kind, user_id FROM sponsor_events WHERE sponsor_id = $1 AND event_id = $2

-- name: lock_reported
-- Rows of one user get their numbers in the order in which they are committed: other servers follow them by number.
SELECT pg_advisory_xact_lock(hashtextextended('reported ' || $1::bigint, 0))

-- name: add_reported
INSERT INTO reported_users (sponsor_id, kind, user_id, at_ms) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING

-- name: reported_number
SELECT number FROM reported_users WHERE sponsor_id = $1 AND kind = $2 AND user_id = $3

-- name: reported
SELECT sponsor_id, kind, user_id
FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS asked (sponsor_id, kind, user_id)
JOIN reported_users USING (sponsor_id, kind, user_id)
