-- name: add
INSERT INTO scheduled_packets (packet_id, sender_id, send_at_ms)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])

-- name: count
SELECT sender_id, count(*) AS waiting FROM scheduled_packets WHERE sender_id = ANY($1) AND state = 'waiting' GROUP BY 1

-- name: waiting
SELECT packet_id FROM scheduled_packets WHERE sender_id = $1 AND state = 'waiting' ORDER BY send_at_ms, packet_id

-- name: take
-- What is due, each row by one server. One whose packet has expired meanwhile, while no server ran, is not posted any more.
WITH due AS (
    SELECT packet_id FROM scheduled_packets WHERE state = 'waiting' AND send_at_ms <= $1
    ORDER BY send_at_ms LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE scheduled_packets s
SET state = CASE WHEN p.expires_at_ms <= $1 THEN 'returned' ELSE 'posted' END, ended_at_ms = $1
FROM due JOIN packets p USING (packet_id)
WHERE s.packet_id = due.packet_id
RETURNING s.packet_id, s.state

-- name: find_posted
-- Of packets with the numbers that a post gave them in streams those that have these numbers.
SELECT packet_id, stream_id, message FROM messages
JOIN unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS asked (packet_id, stream_id, message)
    USING (packet_id, stream_id, message)

-- name: return
UPDATE scheduled_packets SET state = 'returned' WHERE packet_id = ANY($1)

-- name: wait_again
-- Packets that go back to a wallet that another transaction locks: they wait, and hold up no other.
UPDATE scheduled_packets SET state = 'waiting', ended_at_ms = NULL
WHERE packet_id = ANY($1) AND sender_id NOT IN (
    SELECT user_id FROM wallets WHERE user_id IN (SELECT sender_id FROM scheduled_packets WHERE packet_id = ANY($1))
    ORDER BY user_id FOR UPDATE SKIP LOCKED)
RETURNING packet_id

-- name: cancel
UPDATE scheduled_packets SET state = 'cancelled', ended_at_ms = $3
WHERE packet_id = $1 AND sender_id = $2 AND state = 'waiting' RETURNING packet_id

-- name: ended
SELECT s.state, p.refunded_fen FROM scheduled_packets s JOIN packets p USING (packet_id)
WHERE s.packet_id = $1 AND s.sender_id = $2
