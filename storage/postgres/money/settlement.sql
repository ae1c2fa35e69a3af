-- name: settle
-- The largest claims first: their winners look soonest. A claim is credited only if its transfer is new, so twice is
-- once; the records (received, years, best_lucks) and the posts follow from what was credited, so the same holds for
-- them. $3: the kinds that have a best luck. $4: users whose claims wait. Transfer 4 is a claim (TransferKind, server/core/ledger.py); reminder 1
-- is for claims, 2 for a finish, 4 for a relay (ReminderKind, storage/postgres/chat/outbox.py).
WITH largest AS (
    SELECT ctid FROM settlement_queue WHERE user_id <> ALL($4::bigint[])
    ORDER BY amount_fen DESC LIMIT $1 FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM settlement_queue q USING largest WHERE q.ctid = largest.ctid
    RETURNING q.packet_id, q.user_id, q.amount_fen, q.queued_at_ms, q.index
), transferred AS (
    INSERT INTO transfers (debit_account, credit_account, kind, key, amount_fen, at_ms)
    SELECT packet_id, user_id, 4, '', amount_fen, $2 FROM taken
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
    -- One row for all claims of a user; the version counts each.
    INSERT INTO entries (user_id, version, kind, account, change_fen, balance_fen, at_ms, accounts, changes_fen)
    SELECT user_id, version, 4, last_packet_id, change_fen, balance_fen, $2,
           CASE WHEN claims > 1 THEN packets END, CASE WHEN claims > 1 THEN amounts END
    FROM sums JOIN credited USING (user_id)
), opened AS (
    -- The condition is true for every row. It makes PostgreSQL change all wallets first, so that locks are taken in the order
    -- of every writer: wallets, then the rest.
    SELECT packet_id, user_id, transferred.amount_fen, min(queued_at_ms) AS at_ms, min(index) AS index
    FROM transferred JOIN taken USING (packet_id, user_id)
    WHERE (SELECT count(*) FROM credited) > 0
    GROUP BY packet_id, user_id, transferred.amount_fen
), listed AS (
    -- No row can be there: its transfer is new. ON CONFLICT would cost 7 % of the batch, and would hide that the
    -- transfer of a credited claim was lost.
    INSERT INTO received (user_id, at_ms, packet_id) SELECT user_id, at_ms, packet_id FROM opened
), touched AS (
    -- LATERAL, so that it is a look-up for each packet. Of leases of campaigns (shake) only the winner is told.
    SELECT p.*, p.version = p.shares AND last_index = p.shares - 1 AS is_over
    FROM (SELECT packet_id, max(index) AS last_index FROM opened GROUP BY packet_id) AS credited_now, LATERAL (
        SELECT packet_id, sender_id, coalesce(chat_id, target_id) AS told_in, kind, version, shares
        FROM packets WHERE packets.packet_id = credited_now.packet_id OFFSET 0
    ) AS p
    WHERE p.kind <> 'shake'
), lucky AS (
    -- With the last claim, which is credited once, so it is counted once.
    INSERT INTO best_lucks (packet_id, user_id)
    SELECT packet_id, best.user_id
    FROM touched p, LATERAL (
        SELECT c.user_id FROM claims c WHERE c.packet_id = p.packet_id ORDER BY c.amount_fen DESC, c.index LIMIT 1
    ) AS best
    WHERE is_over AND p.kind = ANY($3::text[])
    ORDER BY packet_id
    ON CONFLICT DO NOTHING
    RETURNING packet_id, user_id
), relayed AS (
    -- Once for each packet: in the group that it was sent to, otherwise in another one that it was posted in, which has
    -- the rule and still has the user. A group without a member list does not know who has left it.
    INSERT INTO relays (packet_id, group_id, user_id, times)
    SELECT packet_id, place.group_id, user_id, place.relay_times
    FROM lucky JOIN touched USING (packet_id), LATERAL (
        SELECT g.group_id, g.relay_times
        FROM (
            SELECT told_in AS group_id UNION ALL
            SELECT packet_groups.group_id FROM packet_groups WHERE packet_groups.packet_id = lucky.packet_id
        ) AS posted_in, LATERAL (
            SELECT group_id, relay_times, kind FROM groups
            WHERE groups.group_id = posted_in.group_id AND relay_times > 0 AND deleted_at_ms IS NULL OFFSET 0
        ) AS g
        WHERE g.kind = 'signed' OR EXISTS (
            SELECT FROM memberships m
            WHERE m.group_id = g.group_id AND m.user_id = lucky.user_id AND m.left_at_ms IS NULL
        )
        ORDER BY g.group_id <> told_in, g.group_id LIMIT 1
    ) AS place
    ON CONFLICT DO NOTHING
    RETURNING packet_id, group_id
), posted AS (
    -- The queue is the outbox of claims: from here its posts go on, one row for each stream. To the sender go the
    -- claims on packets that are not full, to sender and groups the finish, which tells the sender the rest.
    INSERT INTO outbox (stream_id, reminder, packet_ids, at_ms)
    SELECT stream_id, reminder, array_agg(packet_id ORDER BY packet_id), $2
    FROM (
        SELECT sender_id AS stream_id, 1 AS reminder, packet_id FROM touched WHERE version < shares
        UNION ALL SELECT sender_id, 2, packet_id FROM touched WHERE is_over
        UNION ALL SELECT told_in, 2, packet_id FROM touched WHERE is_over AND NOT is_user(told_in)
        UNION ALL SELECT group_id, 2, packet_id FROM touched JOIN packet_groups USING (packet_id) WHERE is_over
        UNION ALL SELECT group_id, 4, packet_id FROM relayed
    ) AS posts
    GROUP BY stream_id, reminder ORDER BY stream_id, reminder
), changes (user_id, at_ms, received_count, received_fen, best_lucks) AS (
    SELECT user_id, at_ms, 1, amount_fen, 0 FROM opened
    UNION ALL
    SELECT user_id, (SELECT at_ms FROM claims c WHERE c.packet_id = lucky.packet_id AND c.user_id = lucky.user_id), 0, 0, 1
    FROM lucky
), counted AS (
    INSERT INTO years AS y (user_id, year, received_count, received_fen, best_lucks)
    SELECT user_id, beijing_year(at_ms), sum(received_count), sum(received_fen), sum(best_lucks)
    FROM changes GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (user_id, year) DO UPDATE
    SET received_count = y.received_count + excluded.received_count,
        received_fen = y.received_fen + excluded.received_fen,
        best_lucks = y.best_lucks + excluded.best_lucks
)
SELECT user_id, packet_id, claims, change_fen, balance_fen, version, (SELECT count(*) FROM taken) AS taken,
       pg_current_xact_id()::xid::text::bigint AS xid
FROM sums JOIN credited USING (user_id)

-- name: locked_wallets
-- $2: users whose claims waited until now. Nothing waits here; the locks of this statement end with it.
WITH next AS (
    SELECT user_id FROM settlement_queue WHERE user_id <> ALL($2::bigint[]) ORDER BY amount_fen DESC LIMIT $1
), asked AS (
    SELECT user_id FROM next UNION SELECT unnest($2::bigint[])
), free AS (
    SELECT user_id FROM wallets WHERE user_id IN (SELECT user_id FROM asked) FOR NO KEY UPDATE SKIP LOCKED
)
SELECT user_id FROM wallets JOIN asked USING (user_id) WHERE user_id NOT IN (SELECT user_id FROM free)

-- name: uncredited
-- By the transfer, which has an index for it, and not by the queue, which has none: settling stays as cheap as it is.
SELECT NOT EXISTS (
    SELECT FROM transfers WHERE debit_account = $2 AND credit_account = $1 AND kind = 4 AND key = ''
)

-- name: backlog
SELECT count(*) AS claims, coalesce(sum(amount_fen), 0)::bigint AS amount_fen, min(queued_at_ms) AS oldest_ms
FROM settlement_queue
