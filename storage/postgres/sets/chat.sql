-- name: group_names
SELECT group_id, name FROM groups WHERE group_id = ANY($1)

-- name: inboxes
SELECT stream_id, last_message FROM streams WHERE stream_id = ANY($1)

-- name: turns_told
-- Packets whose best luck is told (topic 7) or followed by a turn, with the turn if there is one.
SELECT DISTINCT asked.packet_id, r.group_id, r.user_id, r.times
FROM unnest($1::bigint[]) AS asked (packet_id) LEFT JOIN relays r USING (packet_id)
WHERE r.packet_id IS NOT NULL OR EXISTS (SELECT FROM told_by_sets t WHERE t.packet_id = asked.packet_id AND t.topic = 7)

-- name: shares
SELECT packet_id, amount_fen FROM claims
JOIN unnest($1::bigint[], $2::bigint[]) AS asked (packet_id, user_id) USING (packet_id, user_id)
