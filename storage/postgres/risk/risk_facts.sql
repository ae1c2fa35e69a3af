-- name: facts
-- What rules may ask about the users $1 at the time $2 (server/core/risk/facts.py says what each column means). Each part
-- reads an index of one user. Sponsors are not judged: they send to thousands, in the name of their contract.
SELECT a.user_id, greatest(0, ($2::bigint - coalesce(u.known_at_ms, $2)) / 1000) AS account_age_s,
       won.*, sent.*, moved.*, withdrawn.*, life.*, reaction.*, flow.*
FROM unnest($1::bigint[]) AS a (user_id)
LEFT JOIN users u ON u.user_id = a.user_id
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE r.at_ms > $2::bigint - 60000) AS opens_1m,
           count(*) FILTER (WHERE r.at_ms > $2::bigint - 3600000) AS opens_1h,
           count(*) AS opens_1d,
           coalesce(sum(c.amount_fen) FILTER (WHERE r.at_ms > $2::bigint - 3600000), 0)::bigint AS won_fen_1h,
           coalesce(sum(c.amount_fen), 0)::bigint AS won_fen_1d
    FROM received r JOIN claims c ON c.packet_id = r.packet_id AND c.user_id = r.user_id
    WHERE r.user_id = a.user_id AND r.at_ms > $2::bigint - 86400000
) AS won
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE p.created_at_ms > $2::bigint - 60000) AS sends_1m,
           count(*) FILTER (WHERE p.created_at_ms > $2::bigint - 3600000) AS sends_1h,
           count(*) AS sends_1d,
           coalesce(sum(p.total_fen) FILTER (WHERE p.created_at_ms > $2::bigint - 3600000), 0)::bigint AS sent_fen_1h,
           coalesce(sum(p.total_fen), 0)::bigint AS sent_fen_1d
    FROM packets p WHERE p.sender_id = a.user_id AND p.created_at_ms > $2::bigint - 86400000
) AS sent
CROSS JOIN LATERAL (
    SELECT count(*) AS transfers_1d, coalesce(sum(o.amount_fen), 0)::bigint AS transferred_fen_1d
    FROM wallet_orders o WHERE o.user_id = a.user_id AND o.kind = 13 AND o.at_ms > $2::bigint - 86400000
) AS moved
CROSS JOIN LATERAL (
    SELECT count(*) AS withdrawals_1d,
           coalesce(sum(t.amount_fen) FILTER (WHERE t.at_ms > $2::bigint - 3600000), 0)::bigint AS withdrawn_fen_1h,
           coalesce(sum(t.amount_fen), 0)::bigint AS withdrawn_fen_1d
    FROM transfers t
    WHERE t.debit_account = a.user_id AND t.credit_account IN (0, -2) AND t.kind IN (2, 10, 14)
      AND t.at_ms > $2::bigint - 86400000
) AS withdrawn
CROSS JOIN LATERAL (
    SELECT coalesce(sum(y.sent_count), 0)::bigint AS sent_packets, coalesce(sum(y.sent_fen), 0)::bigint AS sent_fen,
           coalesce(sum(y.received_count), 0)::bigint AS received_shares,
           coalesce(sum(y.received_fen), 0)::bigint AS received_fen
    FROM years y WHERE y.user_id = a.user_id
) AS life
CROSS JOIN LATERAL (
    SELECT count(ms) AS reactions,
           coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY ms), 0) AS reaction_median_ms,
           coalesce(percentile_disc(0.9) WITHIN GROUP (ORDER BY ms)
                    - percentile_disc(0.1) WITHIN GROUP (ORDER BY ms), 0) AS reaction_spread_ms,
           coalesce(max(places.grabs), 0)::bigint AS grabs,
           coalesce(max(100 * places.first_places / nullif(places.grabs, 0)), 0)::bigint AS first_places_percent
    FROM (
        SELECT sum(r.grabs) AS grabs, sum(r.first_places) AS first_places
        FROM memberships m JOIN reactions r ON r.group_id = m.group_id AND r.user_id = m.user_id
        WHERE m.user_id = a.user_id AND m.left_at_ms IS NULL
    ) AS places LEFT JOIN (
        SELECT unnest(r.recent_ms) AS ms
        FROM memberships m JOIN reactions r ON r.group_id = m.group_id AND r.user_id = m.user_id
        WHERE m.user_id = a.user_id AND m.left_at_ms IS NULL
    ) AS recent ON true
) AS reaction
CROSS JOIN LATERAL (
    -- A share counts as the average of its packet: luck tells nothing of what its sender wanted. It counts by when it was
    -- opened, and one of a packet of yesterday, too. Transfers count as what they move.
    WITH one_way AS (
        SELECT c.user_id AS other, 0::bigint AS group_id, c.at_ms, p.total_fen / p.shares AS given, 0::bigint AS got
        FROM packets p JOIN claims c ON c.packet_id = p.packet_id
        WHERE p.sender_id = a.user_id AND p.created_at_ms > $2::bigint - 172800000
          AND (p.closed_at_ms IS NULL OR p.closed_at_ms > $2::bigint - 86400000)
          AND c.at_ms > $2::bigint - 86400000 AND c.user_id <> a.user_id
        UNION ALL
        SELECT p.sender_id, p.target_id, r.at_ms, 0::bigint, p.total_fen / p.shares
        FROM received r JOIN packets p ON p.packet_id = r.packet_id
        WHERE r.user_id = a.user_id AND r.at_ms > $2::bigint - 86400000
        UNION ALL
        SELECT o.other_id, 0, o.at_ms, o.amount_fen, 0
        FROM wallet_orders o WHERE o.user_id = a.user_id AND o.kind = 13 AND o.at_ms > $2::bigint - 86400000
        UNION ALL
        SELECT o.user_id, 0, o.at_ms, 0, o.amount_fen
        FROM wallet_orders o WHERE o.other_id = a.user_id AND o.kind = 13 AND o.at_ms > $2::bigint - 86400000
    ), pairs AS (
        SELECT sum(given) AS given, sum(got) AS got, count(*) AS shares_1d,
               count(*) FILTER (WHERE at_ms > $2::bigint - 60000) AS shares_1m,
               count(*) FILTER (WHERE at_ms > $2::bigint - 3600000) AS shares_1h
        FROM one_way WHERE other <> a.user_id GROUP BY other
    ), of_groups AS (
        SELECT count(*) AS opens_1d, count(*) FILTER (WHERE at_ms > $2::bigint - 60000) AS opens_1m,
               count(*) FILTER (WHERE at_ms > $2::bigint - 3600000) AS opens_1h
        FROM one_way WHERE group_id > 0 AND NOT is_user(group_id) GROUP BY group_id
    )
    SELECT count(*) AS partners_1d,
           coalesce(sum(given + got), 0)::bigint AS flow_fen_1d,
           coalesce(100 * sum(2 * least(given, got)) / nullif(sum(given + got), 0), 0)::bigint AS mutual_percent_1d,
           coalesce(max(shares_1m), 0) AS pair_shares_1m, coalesce(max(shares_1h), 0) AS pair_shares_1h,
           coalesce(max(shares_1d), 0) AS pair_shares_1d, coalesce(max(given + got), 0)::bigint AS pair_fen_1d,
           (SELECT coalesce(max(opens_1m), 0) FROM of_groups) AS group_opens_1m,
           (SELECT coalesce(max(opens_1h), 0) FROM of_groups) AS group_opens_1h,
           (SELECT coalesce(max(opens_1d), 0) FROM of_groups) AS group_opens_1d
    FROM pairs
) AS flow
WHERE NOT EXISTS (SELECT FROM sponsors s WHERE s.user_id = a.user_id)
