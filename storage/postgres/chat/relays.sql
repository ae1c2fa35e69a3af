-- name: put
UPDATE groups SET relay_times = $2 WHERE group_id = $1 AND deleted_at_ms IS NULL

-- name: times_of
SELECT relay_times FROM groups WHERE group_id = $1 AND deleted_at_ms IS NULL

-- name: turns
SELECT packet_id, user_id, times, amount_fen
FROM relays JOIN claims USING (packet_id, user_id) WHERE packet_id = ANY($1)

-- name: turns_after
-- The best luck and the turn are recorded in one transaction: with the one there is the other, or none will come.
SELECT b.packet_id, r.group_id, r.user_id, r.times, c.amount_fen
FROM best_lucks b LEFT JOIN relays r ON r.packet_id = b.packet_id
LEFT JOIN claims c ON c.packet_id = r.packet_id AND c.user_id = r.user_id
WHERE b.packet_id = ANY($1)
