-- name: advance
INSERT INTO streams AS s (stream_id, last_message)
SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS a (stream_id, added) ORDER BY stream_id
ON CONFLICT (stream_id) DO UPDATE SET last_message = s.last_message + excluded.last_message
RETURNING stream_id, last_message

-- name: last_message
SELECT last_message FROM streams WHERE stream_id = $1

-- name: positions
-- A member's history begins behind the last message at their joining.
SELECT coalesce(s.last_message, 0) AS last_message, coalesce(m.from_message, 0) AS begins_at
FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS a (stream_id, user_id, place)
LEFT JOIN streams AS s ON s.stream_id = a.stream_id
LEFT JOIN memberships AS m ON m.group_id = a.stream_id AND m.user_id = a.user_id
ORDER BY a.place

-- name: between
SELECT m.stream_id, m.message, m.sender_id, m.at_ms, m.text, m.packet_id, m.reminder, m.first_index, m.end_index
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS a (stream_id, first, last)
CROSS JOIN LATERAL (
    SELECT * FROM messages WHERE stream_id = a.stream_id AND message BETWEEN a.first AND a.last
    ORDER BY message LIMIT a.last - a.first + 1
) AS m

-- name: after
SELECT stream_id, message, sender_id, at_ms, text, packet_id, reminder, first_index, end_index
FROM messages WHERE stream_id = $1 AND message > $2
ORDER BY message LIMIT $3

-- name: newest_of
-- The last message of every stream of these users, and of some other streams, if it is not older than a time.
SELECT m.stream_id, m.message, m.sender_id, m.at_ms, m.text, m.packet_id, m.reminder, m.first_index, m.end_index
FROM (
    SELECT group_id AS stream_id FROM memberships WHERE user_id = ANY($1::bigint[]) AND left_at_ms IS NULL
    UNION SELECT unnest($1::bigint[]) UNION SELECT unnest($2::bigint[])
) AS s
CROSS JOIN LATERAL (SELECT * FROM messages WHERE stream_id = s.stream_id ORDER BY message DESC LIMIT 1) AS m
WHERE m.at_ms >= $3
