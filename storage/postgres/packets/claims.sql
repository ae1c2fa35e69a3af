-- name: claims
SELECT packet_id, index, user_id, amount_fen, at_ms FROM claims WHERE packet_id = ANY($1) ORDER BY packet_id, index

-- name: record_claims
-- One statement, so one round trip and one transaction: versions that still fit move on, and only their claims are made.
-- A claim is queued at the time of its open: `queued_at_ms` is `at_ms`.
WITH advances AS (
    SELECT * FROM unnest($1::text::bigint[], $2::text::integer[], $3::text::integer[], $4::text::bigint[],
                         $5::text::bigint[])
        AS a (packet_id, old_version, new_version, added_fen, at_ms)
), advanced AS (
    UPDATE packets p
    SET version = a.new_version,
        claimed_fen = p.claimed_fen + a.added_fen,
        closed_at_ms = CASE WHEN a.new_version = p.shares THEN a.at_ms END
    FROM advances a
    WHERE p.packet_id = a.packet_id AND p.version = a.old_version AND p.closed_at_ms IS NULL
    RETURNING p.packet_id
), accepted AS (
    SELECT c.packet_id, c.index, c.user_id, c.amount_fen, c.at_ms
    FROM unnest($6::text::bigint[], $7::text::integer[], $8::text::bigint[], $9::text::bigint[],
                $10::text::bigint[])
        AS c (packet_id, index, user_id, amount_fen, at_ms)
    JOIN advanced USING (packet_id)
), made AS (
    INSERT INTO claims (packet_id, index, user_id, amount_fen, at_ms) SELECT * FROM accepted
), queued AS (
    INSERT INTO settlement_queue (packet_id, user_id, amount_fen, queued_at_ms, index)
    SELECT packet_id, user_id, amount_fen, at_ms, index FROM accepted
)
SELECT packet_id FROM advanced

-- name: locked
-- Packets whose row another transaction locks; nothing waits. The locks of this statement end with it.
WITH free AS (
    SELECT packet_id FROM packets WHERE packet_id = ANY($1) FOR NO KEY UPDATE SKIP LOCKED
)
SELECT packet_id FROM packets WHERE packet_id = ANY($1) AND packet_id NOT IN (SELECT packet_id FROM free)
