-- name: marks
-- What each of the users $1 shares with others: devices (1) of 30 days, addresses (2) of a day, cards (3) that are bound.
-- The newest 20 of each.
SELECT a.user_id, mine.kind, mine.mark
FROM unnest($1::bigint[]) AS a (user_id) CROSS JOIN LATERAL (
    (SELECT m.kind, m.mark FROM risk_marks m
     WHERE m.user_id = a.user_id AND m.kind = 1 AND m.seen_at_ms > $2::bigint - 2592000000 ORDER BY m.seen_at_ms DESC LIMIT 20)
    UNION ALL
    (SELECT m.kind, m.mark FROM risk_marks m
     WHERE m.user_id = a.user_id AND m.kind = 2 AND m.seen_at_ms > $2::bigint - 86400000 ORDER BY m.seen_at_ms DESC LIMIT 20)
    UNION ALL
    (SELECT 3, c.card_id::text FROM cards c
     WHERE c.user_id = a.user_id AND c.unbound_at_ms IS NULL ORDER BY c.bound_at_ms DESC LIMIT 20)
) AS mine

-- name: users_of_marks
-- The users of the devices and addresses $1, $2, seen in the same time, and of cards; of each the newest 200.
SELECT a.kind, a.mark, users.user_id
FROM unnest($1::smallint[], $2::text[]) AS a (kind, mark) CROSS JOIN LATERAL (
    (SELECT m.user_id FROM risk_marks m
     WHERE m.kind = a.kind AND m.mark = a.mark
       AND m.seen_at_ms > $3::bigint - CASE a.kind WHEN 1 THEN 2592000000 ELSE 86400000 END
     ORDER BY m.seen_at_ms DESC LIMIT 200)
    UNION ALL
    (SELECT c.user_id FROM cards mine JOIN cards c ON c.gateway = mine.gateway AND c.card_ref = mine.card_ref
     WHERE a.kind = 3 AND mine.card_id = CASE a.kind WHEN 3 THEN a.mark::bigint END AND c.unbound_at_ms IS NULL
     ORDER BY c.bound_at_ms DESC LIMIT 200)
) AS users

-- name: activity
-- What users did in a minute, an hour and 24 hours: shares that were credited to them, and money that left their wallets.
SELECT a.user_id, opened.*, gone.*
FROM unnest($1::bigint[]) AS a (user_id)
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE r.at_ms > $2::bigint - 60000) AS opens_1m,
           count(*) FILTER (WHERE r.at_ms > $2::bigint - 3600000) AS opens_1h, count(*) AS opens_1d
    FROM received r WHERE r.user_id = a.user_id AND r.at_ms > $2::bigint - 86400000
) AS opened
CROSS JOIN LATERAL (
    SELECT coalesce(sum(t.amount_fen) FILTER (WHERE t.at_ms > $2::bigint - 60000), 0)::bigint AS withdrawn_fen_1m,
           coalesce(sum(t.amount_fen) FILTER (WHERE t.at_ms > $2::bigint - 3600000), 0)::bigint AS withdrawn_fen_1h,
           coalesce(sum(t.amount_fen), 0)::bigint AS withdrawn_fen_1d
    FROM transfers t
    WHERE t.debit_account = a.user_id AND t.credit_account IN (0, -2) AND t.kind IN (2, 10, 14)
      AND t.at_ms > $2::bigint - 86400000
) AS gone

-- name: given
-- What others got of the users $1 since $2: shares of their packets, each as the average of its packet, and transfers; how
-- many there are in a minute ($3), an hour ($4) and in all. A share counts by when it was opened, as in `got`: a packet of
-- yesterday may be opened today. One that was closed before has none of today.
SELECT giver, receiver, sum(fen)::bigint, count(*) FILTER (WHERE at_ms > $3::bigint),
       count(*) FILTER (WHERE at_ms > $4::bigint), count(*)
FROM (
    SELECT p.sender_id AS giver, c.user_id AS receiver, p.total_fen / p.shares AS fen, c.at_ms
    FROM packets p JOIN claims c ON c.packet_id = p.packet_id
    WHERE p.sender_id = ANY($1::bigint[]) AND p.created_at_ms > $2::bigint - 86400000
      AND (p.closed_at_ms IS NULL OR p.closed_at_ms > $2::bigint) AND c.at_ms > $2::bigint AND c.user_id <> p.sender_id
    UNION ALL
    SELECT o.user_id, o.other_id, o.amount_fen, o.at_ms FROM wallet_orders o
    WHERE o.user_id = ANY($1::bigint[]) AND o.kind = 13 AND o.at_ms > $2::bigint
) AS gifts
GROUP BY 1, 2

-- name: got
-- From whom the users $1 got shares since $2, as the averages of their packets, and transfers.
SELECT giver, receiver, sum(fen)::bigint
FROM (
    SELECT p.sender_id AS giver, r.user_id AS receiver, p.total_fen / p.shares AS fen
    FROM received r JOIN packets p ON p.packet_id = r.packet_id
    WHERE r.user_id = ANY($1::bigint[]) AND r.at_ms > $2::bigint AND p.sender_id <> r.user_id
    UNION ALL
    SELECT o.user_id, o.other_id, o.amount_fen FROM wallet_orders o
    WHERE o.other_id = ANY($1::bigint[]) AND o.kind = 13 AND o.at_ms > $2::bigint
) AS gifts
GROUP BY 1, 2

-- name: transfers_got
-- Each transfer that the users $1 got since $2.
SELECT other_id AS user_id, at_ms, user_id AS giver, amount_fen FROM wallet_orders
WHERE other_id = ANY($1::bigint[]) AND kind = 13 AND at_ms > $2::bigint
