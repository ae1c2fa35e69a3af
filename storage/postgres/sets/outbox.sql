-- name: tell_later
INSERT INTO set_outbox (stream_id, topic, packet_id, at_ms)
SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[])

-- name: tell_words_later
INSERT INTO set_outbox (stream_id, topic, packet_id, at_ms, user_id, text)
SELECT stream_id, 6, packet_id, at_ms, user_id, text
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[])
    AS said (stream_id, packet_id, at_ms, user_id, text)

-- name: oldest
-- With the sender of the packet, who announces it, or the user who has said its words.
SELECT outbox_id, stream_id, topic, o.packet_id, o.at_ms, coalesce(o.user_id, p.sender_id) AS sender_id, o.text
FROM set_outbox o JOIN packets p USING (packet_id)
WHERE outbox_id > $1 ORDER BY outbox_id LIMIT $2

-- name: note_told
-- Those of these that were not told before.
INSERT INTO told_by_sets (packet_id, topic, stream_id, at_ms)
SELECT packet_id, topic, stream_id, at_ms
FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[]) AS a (packet_id, topic, stream_id, at_ms)
ORDER BY 1, 2, 3, 4
ON CONFLICT DO NOTHING
RETURNING packet_id, topic, stream_id, at_ms

-- name: posted_before
-- Posts that were made before: by a server that could not say so to its users, perhaps. Among the newest of their streams.
SELECT asked.place, m.message
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[]) WITH ORDINALITY
    AS asked (stream_id, sender_id, at_ms, packet_id, reminder, place)
JOIN streams s USING (stream_id)
JOIN messages m ON m.stream_id = s.stream_id AND m.message > s.last_message - 1000
    AND m.sender_id = asked.sender_id AND m.at_ms = asked.at_ms
    AND m.packet_id IS NOT DISTINCT FROM asked.packet_id AND m.reminder IS NOT DISTINCT FROM asked.reminder

-- name: count_best_lucks
INSERT INTO years AS y (user_id, year, best_lucks)
SELECT user_id, beijing_year(at_ms), count(*) FROM unnest($1::bigint[], $2::bigint[]) AS best (user_id, at_ms)
GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (user_id, year) DO UPDATE SET best_lucks = y.best_lucks + excluded.best_lucks

-- name: put_turns
-- Once for each packet: in the first of its groups, in the order given, that has the rule and still has the user.
WITH asked AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY
        AS a (packet_id, group_id, user_id, place)
), first_ones AS (
    SELECT DISTINCT ON (packet_id) packet_id, group_id, user_id, relay_times
    FROM asked JOIN groups g USING (group_id)
    WHERE relay_times > 0 AND deleted_at_ms IS NULL AND (g.kind = 'signed' OR EXISTS (
        SELECT FROM memberships m
        WHERE m.group_id = asked.group_id AND m.user_id = asked.user_id AND m.left_at_ms IS NULL))
    ORDER BY packet_id, place
)
INSERT INTO relays (packet_id, group_id, user_id, times)
SELECT packet_id, group_id, user_id, relay_times FROM first_ones ORDER BY packet_id
ON CONFLICT DO NOTHING RETURNING packet_id, group_id

-- name: remove
DELETE FROM set_outbox WHERE outbox_id = ANY($1)

-- name: waiting
SELECT count(*) FROM set_outbox
