-- name: claims
SELECT packet_id, index, user_id, amount_fen, at_ms FROM claims WHERE packet_id = ANY($1) ORDER BY packet_id, index

-- name: record_claims
-- One statement, so one round trip and one transaction: versions that still fit move on, and only their claims are made.
-- A claim is queued at the time of its open: `queued_at_ms` is `at_ms`. Whether a packet is open is asked by `coalesce`, here and
-- below: with `IS NULL` PostgreSQL reads all open packets (packets_open) if it thinks that they are few, as the statistics
-- of a quiet hour say. That versions and sums rise is always so; it makes PostgreSQL expect few packets, so it looks each up
-- also with a plan that was made while the table was tiny.
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
    WHERE p.packet_id = a.packet_id AND p.version = a.old_version AND coalesce(p.closed_at_ms, -1) = -1
      AND a.new_version > a.old_version AND a.added_fen > 0
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

-- name: record_first_wins
-- As record_claims, for batches in which each claim of a lease is the first win of its user in the campaign, as far as the
-- server knows. So nothing is counted, and no limit is asked: a first win is within each. A user who has won before meets
-- the key of `wins`, and the batch is recorded by record_wins. A lease that is full is closed.
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
    WHERE p.version = a.old_version AND p.packet_id = a.packet_id AND coalesce(p.closed_at_ms, -1) = -1
      AND a.new_version > a.old_version AND a.added_fen > 0
    RETURNING p.packet_id, CASE p.kind WHEN 'shake' THEN p.target_id END AS campaign_id, p.closed_at_ms
), accepted AS (
    SELECT c.packet_id, c.index, c.user_id, c.amount_fen, c.at_ms, campaign_id
    FROM unnest($6::text::bigint[], $7::text::integer[], $8::text::bigint[], $9::text::bigint[],
                $10::text::bigint[])
        AS c (packet_id, index, user_id, amount_fen, at_ms)
    JOIN advanced USING (packet_id)
), made AS (
    INSERT INTO claims (packet_id, index, user_id, amount_fen, at_ms)
    SELECT packet_id, index, user_id, amount_fen, at_ms FROM accepted
), queued AS (
    INSERT INTO settlement_queue (packet_id, index, user_id, amount_fen, queued_at_ms)
    SELECT packet_id, index, user_id, amount_fen, at_ms FROM accepted
), won AS (
    INSERT INTO wins (campaign_id, user_id, n, packet_id, index)
    SELECT campaign_id, user_id, 1, packet_id, index FROM accepted WHERE campaign_id IS NOT NULL
), full_ones AS (
    UPDATE leases l SET closed_at_ms = advanced.closed_at_ms, rest = 0
    FROM advanced WHERE l.packet_id = advanced.packet_id AND advanced.closed_at_ms IS NOT NULL
)
SELECT packet_id FROM advanced

-- name: record_wins
-- As record_claims, for batches with leases of campaigns: claims of leases are also the next wins of their users. $11: of each
-- packet whether no user was told of these claims yet; then it does not move on if one of them is more than a user may
-- win. Two servers that count the same win at once meet at the key of `wins`: one of them looks again. A lease that is
-- full is closed.
WITH advances AS (
    SELECT a.*, campaign_id, per_user_limit
    FROM unnest($1::text::bigint[], $2::text::integer[], $3::text::integer[], $4::text::bigint[],
                $5::text::bigint[], $11::text::boolean[])
        AS a (packet_id, old_version, new_version, added_fen, at_ms, is_untold)
    LEFT JOIN leases USING (packet_id) LEFT JOIN campaigns USING (campaign_id)
), known AS (
    SELECT c.*, campaign_id, per_user_limit, coalesce(
               (SELECT n FROM wins w WHERE w.campaign_id = advances.campaign_id AND w.user_id = c.user_id
                ORDER BY n DESC LIMIT 1), 0) AS before
    FROM unnest($6::text::bigint[], $7::text::integer[], $8::text::bigint[], $9::text::bigint[],
                $10::text::bigint[])
        AS c (packet_id, index, user_id, amount_fen, at_ms)
    JOIN advances USING (packet_id)
), counted AS (
    SELECT packet_id, per_user_limit,
           before + row_number() OVER (PARTITION BY campaign_id, user_id ORDER BY packet_id, index) AS n
    FROM known
), advanced AS (
    UPDATE packets p
    SET version = a.new_version,
        claimed_fen = p.claimed_fen + a.added_fen,
        closed_at_ms = CASE WHEN a.new_version = p.shares THEN a.at_ms END
    FROM advances a
    WHERE a.packet_id = p.packet_id AND a.old_version = p.version AND coalesce(p.closed_at_ms, -1) = -1
      AND a.new_version > a.old_version AND a.added_fen > 0
      AND NOT (a.is_untold AND a.packet_id IN (SELECT packet_id FROM counted WHERE n > per_user_limit))
    RETURNING p.packet_id, p.closed_at_ms
), accepted AS (
    SELECT known.* FROM known JOIN advanced USING (packet_id)
), made AS (
    INSERT INTO claims (packet_id, index, user_id, amount_fen, at_ms)
    SELECT packet_id, index, user_id, amount_fen, at_ms FROM accepted
), queued AS (
    INSERT INTO settlement_queue (packet_id, index, user_id, amount_fen, queued_at_ms)
    SELECT packet_id, index, user_id, amount_fen, at_ms FROM accepted
), won AS (
    -- Counted again: a win of a packet that did not move on leaves no gap before the others of its user.
    INSERT INTO wins (campaign_id, user_id, n, packet_id, index)
    SELECT campaign_id, user_id, before + row_number() OVER (PARTITION BY campaign_id, user_id ORDER BY packet_id, index),
           packet_id, index
    FROM accepted WHERE campaign_id IS NOT NULL
), full_ones AS (
    UPDATE leases l SET closed_at_ms = advanced.closed_at_ms, rest = 0
    FROM advanced WHERE l.packet_id = advanced.packet_id AND advanced.closed_at_ms IS NOT NULL
)
SELECT packet_id FROM advanced

-- name: locked
-- Packets whose row another transaction locks; nothing waits. The locks of this statement end with it.
WITH free AS (
    SELECT packet_id FROM packets WHERE packet_id = ANY($1) FOR NO KEY UPDATE SKIP LOCKED
)
SELECT packet_id FROM packets WHERE packet_id = ANY($1) AND packet_id NOT IN (SELECT packet_id FROM free)
