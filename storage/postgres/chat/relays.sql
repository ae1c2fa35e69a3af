-- name: put
UPDATE groups SET relay_times = $2 WHERE group_id = $1 AND deleted_at_ms IS NULL

-- name: times_of
SELECT relay_times FROM groups WHERE group_id = $1 AND deleted_at_ms IS NULL

-- name: turns
SELECT packet_id, user_id, times, amount_fen
FROM relays JOIN claims USING (packet_id, user_id) WHERE packet_id = ANY($1)
