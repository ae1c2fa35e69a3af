-- name: tell_later
INSERT INTO set_outbox (stream_id, topic, packet_id, at_ms)
SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[])

-- name: oldest
-- With the sender of the packet, who announces it.
SELECT outbox_id, stream_id, topic, o.packet_id, o.at_ms, p.sender_id
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

-- name: count_best_lucks
INSERT INTO years AS y (user_id, year, best_lucks)
SELECT user_id, beijing_year(at_ms), count(*) FROM unnest($1::bigint[], $2::bigint[]) AS best (user_id, at_ms)
GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (user_id, year) DO UPDATE SET best_lucks = y.best_lucks + excluded.best_lucks

-- name: remove
DELETE FROM set_outbox WHERE outbox_id = ANY($1)

-- name: waiting
SELECT count(*) FROM set_outbox
