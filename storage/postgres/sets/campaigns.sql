-- name: living
-- In set 0. Servers that have renewed their lease of the change feed within so many seconds.
SELECT server_id FROM servers WHERE abs(extract(epoch FROM clock_timestamp() - alive_at)) < $1

-- name: abandoned
-- As `abandoned` of the leases, with the living servers $3.
SELECT packet_id FROM leases
WHERE closed_at_ms IS NULL
  AND CASE WHEN server_id = $1 THEN packet_id <> ALL($2::bigint[]) ELSE server_id <> ALL($3::bigint[]) END
ORDER BY packet_id LIMIT $4
