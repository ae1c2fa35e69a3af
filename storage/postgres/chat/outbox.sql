-- name: try_lock
-- One server at a time posts, so that posts stay in their order.
SELECT pg_try_advisory_xact_lock($1)

-- name: take
-- The oldest rows, of about $1 packets together, with what of each packet is to be told. A row leaves with the post
-- that it becomes: a post stands in its stream, where every client finds it that was away.
WITH oldest AS (
    SELECT outbox_id, sum(cardinality(packet_ids)) OVER (ORDER BY outbox_id) - cardinality(packet_ids) AS packets_before
    FROM (SELECT outbox_id, packet_ids FROM outbox ORDER BY outbox_id LIMIT $1) AS first_rows
), taken AS (
    DELETE FROM outbox USING oldest WHERE outbox.outbox_id = oldest.outbox_id AND packets_before < $1
    RETURNING outbox.outbox_id, stream_id, reminder, packet_ids, at_ms
), asked AS (
    SELECT stream_id, reminder, packet_id, min(outbox_id) AS place, min(at_ms) AS at_ms
    FROM taken, unnest(packet_ids) AS packet_id GROUP BY stream_id, reminder, packet_id
)
SELECT stream_id, is_user(stream_id) AS is_inbox, reminder, packet_id, at_ms, version, shares, coalesce(claims, 0) AS posted
FROM asked, LATERAL (
    SELECT version, shares FROM packets WHERE packets.packet_id = asked.packet_id OFFSET 0
) AS p LEFT JOIN LATERAL (
    SELECT claims FROM posted_claims WHERE posted_claims.packet_id = asked.packet_id OFFSET 0
) AS before ON true
ORDER BY place, reminder, packet_id

-- name: waiting
SELECT count(*) FROM outbox

-- name: remember
INSERT INTO posted_claims (packet_id, claims) SELECT * FROM unnest($1::bigint[], $2::integer[])
ON CONFLICT (packet_id) DO UPDATE SET claims = excluded.claims

-- name: forget
DELETE FROM posted_claims WHERE packet_id = ANY($1)

-- name: find_outcome
-- With the claims as they were recorded: a later try may have posted more of them under the same number.
SELECT place, first_index, end_index
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[]) WITH ORDINALITY
    AS asked (stream_id, message, at_ms, packet_id, reminder, place)
JOIN messages USING (stream_id, message, at_ms, packet_id, reminder)

-- name: claims
SELECT DISTINCT c.*
FROM unnest($1::bigint[], $2::integer[], $3::integer[]) AS asked (packet_id, first_index, end_index), LATERAL (
    SELECT packet_id, index, user_id, amount_fen, at_ms FROM claims
    WHERE claims.packet_id = asked.packet_id AND index >= first_index AND index < end_index OFFSET 0
) AS c
ORDER BY packet_id, index

-- name: best_lucks
SELECT packet_id, index, user_id, amount_fen, at_ms
FROM best_lucks JOIN claims USING (packet_id, user_id) WHERE packet_id = ANY($1)
