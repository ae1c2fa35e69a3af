-- name: use_mode
UPDATE risk_state SET mode = $1 WHERE mode <> $1

-- name: mode
SELECT mode FROM risk_state

-- name: received
SELECT user_id, packet_id, at_ms FROM received WHERE user_id = ANY($1::bigint[]) AND at_ms > $2::bigint

-- name: shares
SELECT a.user_id, a.packet_id, c.amount_fen, p.sender_id, p.total_fen / p.shares AS average_fen, p.target_id
FROM unnest($1::bigint[], $2::bigint[]) AS a (user_id, packet_id)
JOIN packets p ON p.packet_id = a.packet_id
LEFT JOIN claims c ON c.packet_id = a.packet_id AND c.user_id = a.user_id
