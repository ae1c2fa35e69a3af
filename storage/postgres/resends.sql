-- name: lock
SELECT 1 FROM packets WHERE packet_id = $1 FOR NO KEY UPDATE

-- name: count
SELECT count(*) FROM packet_groups WHERE packet_id = $1 AND group_id <> $2

-- name: add
INSERT INTO packet_groups (packet_id, group_id, at_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
