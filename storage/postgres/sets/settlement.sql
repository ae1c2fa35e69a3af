-- name: next
-- The largest claims first. $2: users whose claims wait. The place of a row holds until it is deleted: no row is changed.
SELECT ctid::text AS place, packet_id, user_id, amount_fen, queued_at_ms, index
FROM settlement_queue WHERE user_id <> ALL($2::bigint[])
ORDER BY amount_fen DESC LIMIT $1

-- name: credit
-- In the set of the winners. A claim is credited only if its transfer is new, so twice is once; what follows from it, too.
-- Transfer 4 is a claim. $5: now.
WITH taken AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
        AS a (packet_id, user_id, amount_fen, opened_at_ms)
), transferred AS (
    INSERT INTO transfers (debit_account, credit_account, kind, key, amount_fen, at_ms)
    SELECT packet_id, user_id, 4, '', amount_fen, $5 FROM taken
    ON CONFLICT DO NOTHING
    RETURNING debit_account AS packet_id, credit_account AS user_id, amount_fen
), sums AS (
    SELECT user_id, min(packet_id) AS packet_id, max(packet_id) AS last_packet_id, count(*) AS claims,
           sum(amount_fen)::bigint AS change_fen, array_agg(packet_id ORDER BY packet_id) AS packets,
           array_agg(amount_fen ORDER BY packet_id) AS amounts
    FROM transferred GROUP BY user_id
), credited AS (
    INSERT INTO wallets AS w (user_id, balance_fen, version)
    SELECT user_id, change_fen, claims FROM sums ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE
    SET balance_fen = w.balance_fen + excluded.balance_fen, version = w.version + excluded.version
    RETURNING user_id, balance_fen, version
), entered AS (
    INSERT INTO entries (user_id, version, kind, account, change_fen, balance_fen, at_ms, accounts, changes_fen)
    SELECT user_id, version, 4, last_packet_id, change_fen, balance_fen, $5,
           CASE WHEN claims > 1 THEN packets END, CASE WHEN claims > 1 THEN amounts END
    FROM sums JOIN credited USING (user_id)
), opened AS (
    -- The condition is true for every row. It makes PostgreSQL change all wallets first, as every writer does.
    SELECT packet_id, user_id, transferred.amount_fen, min(opened_at_ms) AS at_ms
    FROM transferred JOIN taken USING (packet_id, user_id)
    WHERE (SELECT count(*) FROM credited) > 0
    GROUP BY packet_id, user_id, transferred.amount_fen
), listed AS (
    -- As in a settlement of one set, without ON CONFLICT.
    INSERT INTO received (user_id, at_ms, packet_id) SELECT user_id, at_ms, packet_id FROM opened
), counted AS (
    INSERT INTO years AS y (user_id, year, received_count, received_fen)
    SELECT user_id, beijing_year(at_ms), count(*), sum(amount_fen) FROM opened GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (user_id, year) DO UPDATE
    SET received_count = y.received_count + excluded.received_count,
        received_fen = y.received_fen + excluded.received_fen
)
SELECT user_id, packet_id, claims, change_fen, balance_fen, version, pg_current_xact_id()::xid::text::bigint AS xid
FROM sums JOIN credited USING (user_id)

-- name: take_off
-- In the set of the packets, once their claims are credited: the rows leave the queue, and what follows from the credits
-- is told. $5: the account in transit of the winners' set, null if it is this one. $6: the kinds that have a best luck.
-- $7: groups are in this set. Transfer 22 is a claim that is credited in another set; reminder 1 is for claims, 2 for a
-- finish; topic 2 is a finish, 5 a best luck, 7 a turn of the relay.
WITH taken AS (
    DELETE FROM settlement_queue q
    USING unnest($1::text[], $2::bigint[], $3::bigint[]) AS a (place, packet_id, user_id)
    WHERE q.ctid = a.place::tid AND q.packet_id = a.packet_id AND q.user_id = a.user_id
    RETURNING q.packet_id, q.user_id, q.amount_fen, q.index
), handed_over AS (
    INSERT INTO transfers (debit_account, credit_account, kind, key, amount_fen, at_ms)
    SELECT packet_id, $5::bigint, 22, user_id::text, amount_fen, $4 FROM taken WHERE $5::bigint IS NOT NULL
), touched AS (
    -- LATERAL, so that it is a look-up for each packet. Of leases of campaigns (shake) only the winner is told.
    SELECT p.*, p.version = p.shares AND last_index = p.shares - 1 AS is_over
    FROM (SELECT packet_id, max(index) AS last_index FROM taken GROUP BY packet_id) AS credited_now, LATERAL (
        SELECT packet_id, sender_id, coalesce(chat_id, target_id) AS told_in, kind, version, shares
        FROM packets WHERE packets.packet_id = credited_now.packet_id OFFSET 0
    ) AS p
    WHERE p.kind <> 'shake'
), lucky AS (
    -- With the last claim, which is taken off once, so it is told once.
    INSERT INTO best_lucks (packet_id, user_id)
    SELECT packet_id, best.user_id
    FROM touched p, LATERAL (
        SELECT c.user_id FROM claims c WHERE c.packet_id = p.packet_id ORDER BY c.amount_fen DESC, c.index LIMIT 1
    ) AS best
    WHERE is_over AND p.kind = ANY($6::text[])
    ORDER BY packet_id
    ON CONFLICT DO NOTHING
    RETURNING packet_id, user_id
), in_groups AS (
    SELECT told_in AS stream_id, packet_id, true AS is_first FROM touched WHERE is_over AND NOT is_user(told_in)
    UNION ALL SELECT group_id, packet_id, false FROM touched JOIN packet_groups USING (packet_id) WHERE is_over
), posted AS (
    INSERT INTO outbox (stream_id, reminder, packet_ids, at_ms)
    SELECT stream_id, reminder, array_agg(packet_id ORDER BY packet_id), $4
    FROM (
        SELECT sender_id AS stream_id, 1 AS reminder, packet_id FROM touched WHERE version < shares
        UNION ALL SELECT sender_id, 2, packet_id FROM touched WHERE is_over
        UNION ALL SELECT stream_id, 2, packet_id FROM in_groups WHERE $7::boolean
    ) AS posts
    GROUP BY stream_id, reminder ORDER BY stream_id, reminder
), told_elsewhere AS (
    -- Whose turn it is (7) is told of all groups of a packet, that it was sent to first: the first one with a relay counts.
    INSERT INTO set_outbox (stream_id, topic, packet_id, at_ms, user_id)
    SELECT stream_id, topic, packet_id, at_ms, user_id
    FROM (
        SELECT stream_id, 2 AS topic, packet_id, $4::bigint AS at_ms, NULL::bigint AS user_id, is_first FROM in_groups
        WHERE NOT $7::boolean
        UNION ALL
        SELECT user_id, 5, packet_id,
               (SELECT at_ms FROM claims c WHERE c.packet_id = lucky.packet_id AND c.user_id = lucky.user_id), NULL, true
        FROM lucky
        UNION ALL
        SELECT stream_id, 7, packet_id, $4, lucky.user_id, is_first FROM lucky JOIN in_groups USING (packet_id)
    ) AS told
    ORDER BY packet_id, topic, is_first DESC, stream_id
)
SELECT count(*) FROM taken

-- name: locked
-- Nothing waits here; the locks of this statement end with it.
WITH free AS (
    SELECT user_id FROM wallets WHERE user_id = ANY($1::bigint[]) FOR NO KEY UPDATE SKIP LOCKED
)
SELECT user_id FROM wallets WHERE user_id = ANY($1::bigint[]) AND user_id NOT IN (SELECT user_id FROM free)
