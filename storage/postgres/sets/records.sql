-- name: received
-- As `received` of the records; where the packets are is asked behind it.
SELECT at_ms, packet_id FROM received
WHERE user_id = $1 AND at_ms >= $2 AND (at_ms, packet_id) < ($3, $4)
ORDER BY at_ms DESC, packet_id DESC
LIMIT 21

-- name: shares
-- What a user opened of these packets, and whether it was the best luck.
SELECT c.packet_id, c.amount_fen, b.packet_id IS NOT NULL AS is_best
FROM claims c LEFT JOIN best_lucks b ON b.packet_id = c.packet_id AND b.user_id = c.user_id
WHERE c.packet_id = ANY($1) AND c.user_id = $2
