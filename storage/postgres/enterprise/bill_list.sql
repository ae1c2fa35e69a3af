-- name: before
-- Those before a place in the order of their last attempts, the newest first.
SELECT b.number, b.user_id, b.amount_fen, b.asked_at_ms, b.failed, p.packet_id, p.expires_at_ms, p.closed_at_ms,
       (SELECT min(at_ms) FROM claims c WHERE c.packet_id = p.packet_id) AS received_at_ms
FROM (
    SELECT * FROM bills WHERE sponsor_id = $1 AND (asked_at_ms, number) < ($2, $3)
    ORDER BY asked_at_ms DESC, number DESC LIMIT $4
) AS b
LEFT JOIN packets p ON p.sender_id = b.sponsor_id AND p.key = 'bill:' || b.number
ORDER BY b.asked_at_ms DESC, b.number DESC
