-- name: lock
SELECT 1 FROM packets WHERE packet_id = $1 FOR NO KEY UPDATE

-- name: count
SELECT count(*) FROM packet_groups WHERE packet_id = $1 AND group_id <> $2

-- name: find_outcome
-- Among the newest messages of a stream, so that one which is not there costs no walk through all of them. The time
-- tells a message from one that posted the packet there earlier.
SELECT asked.place, m.message
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY
    AS asked (stream_id, packet_id, at_ms, place)
JOIN streams s USING (stream_id)
JOIN messages m ON m.stream_id = s.stream_id AND m.message > s.last_message - 1000
    AND m.packet_id = asked.packet_id AND m.at_ms = asked.at_ms AND m.reminder IS NULL

-- name: add
INSERT INTO packet_groups (packet_id, group_id, at_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: before
SELECT group_id, stream_id, message FROM keyed_resends WHERE packet_id = $1 AND key = $2

-- name: keep_key
INSERT INTO keyed_resends (packet_id, key, group_id, stream_id, message) VALUES ($1, $2, $3, $4, $5)
