-- name: advance
INSERT INTO streams AS s (stream_id, last_message)
SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS a (stream_id, added) ORDER BY stream_id
ON CONFLICT (stream_id) DO UPDATE SET last_message = s.last_message + excluded.last_message
RETURNING stream_id, last_message

-- name: last_message
SELECT last_message FROM streams WHERE stream_id = $1

-- name: begins_at
-- A member's history begins behind the last message at their joining; an inbox has no members.
SELECT from_message FROM memberships WHERE group_id = $1 AND user_id = $2

-- name: after
SELECT stream_id, message, sender_id, at_ms, text, packet_id, reminder, first_index, end_index
FROM messages WHERE stream_id = $1 AND message > $2
ORDER BY message LIMIT $3
