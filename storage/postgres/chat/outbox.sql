-- name: try_lock
-- One server at a time gives numbers, so that posts stay in their order.
SELECT pg_try_advisory_xact_lock($1)

-- name: take
SELECT outbox_id, stream_id, reminder, packet_id, user_ids, at_ms, message FROM outbox ORDER BY outbox_id LIMIT $1

-- name: number
UPDATE outbox o SET message = a.message
FROM unnest($1::bigint[], $2::bigint[]) AS a (outbox_id, message) WHERE o.outbox_id = a.outbox_id

-- name: forget
DELETE FROM outbox WHERE outbox_id = ANY($1)

-- name: claims
SELECT packet_id, index, user_id, amount_fen, at_ms
FROM unnest($1::bigint[], $2::bigint[]) AS a (packet_id, user_id) JOIN claims USING (packet_id, user_id)
ORDER BY packet_id, index

-- name: best_lucks
SELECT packet_id, index, user_id, amount_fen, at_ms
FROM best_lucks JOIN claims USING (packet_id, user_id) WHERE packet_id = ANY($1)
