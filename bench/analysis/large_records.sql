-- Records as if people had used the server for $days days. The draws are those of server/core/amounts, with the random
-- numbers of the database, so that their luck fits its law. Only packets, shares and wallets: no transfers, so an audit of
-- these records would complain.

-- name: packets
-- $1: the first id, $2: packets, $3: users, $4: the first moment, $5: days. A few people give most. Of twenty packets one is
-- not opened by all, and expires. The evening is busy, and the minutes around the last midnight are busiest.
INSERT INTO packets (packet_id, sender_id, key, kind, target_id, total_fen, shares, share_fen_min, share_fen_max, greeting, seed,
                     created_at_ms, expires_at_ms, version, claimed_fen, refunded_fen, closed_at_ms)
SELECT $1::bigint + n, 1 + floor(power(random(), 4) * $3::bigint)::bigint, 'bench ' || n, 'lucky', 9007199254740992,
       (ARRAY[1000, 888, 2000, 5000, 660, 1314])[1 + n % 6], (ARRAY[10, 8, 10, 15, 6, 12])[1 + n % 6], 1, 20000,
       (ARRAY['恭喜发财,大吉大利', '恭喜发财,大吉大利', '新年快乐', '早安', '生日快乐', 'Best wishes', '<b>大吉</b>'])[1 + n * 5 % 7],
       decode(repeat('00', 32), 'hex'), at_ms, at_ms + 86400000, 0, 0, 0, NULL
FROM (
    SELECT n, $4::bigint + CASE WHEN n % 10 = 0 THEN $5::bigint * 86400000 - 3600000 + floor(random() * random() * 3600000)::bigint
        ELSE floor(random() * $5) * 86400000 + floor((0.30 + 0.65 * sqrt(random())) * 86400000)::bigint END AS at_ms
    FROM generate_series(0, $2::bigint - 1) AS n
) AS moments

-- name: claims
-- $1: the first id, $2: users, $3: of the packets from this number on and below $4 (so that memory stays small).
WITH RECURSIVE opened AS (
    SELECT packet_id, shares, created_at_ms AS at_ms, total_fen AS left_fen, 0 AS index, NULL::bigint AS amount_fen,
           CASE WHEN random() < 0.05 THEN floor(random() * shares)::integer ELSE shares END AS opens,
           floor(random() * random() * $2::bigint)::bigint AS first_user, exp(random() * 7 - 1) AS slow
    FROM packets WHERE packet_id >= $1::bigint + $3::bigint AND packet_id < $1::bigint + $4::bigint
    UNION ALL
    SELECT packet_id, shares, at_ms, left_fen - drawn, index + 1, drawn, opens, first_user, slow FROM (
        SELECT packet_id, shares, at_ms + 300 + floor(-ln(1 - random()) * 600 * slow)::bigint AS at_ms, left_fen, index, opens,
               first_user, slow,
               CASE WHEN shares - index = 1 THEN left_fen
                    ELSE low + floor(random() * (least(20000, twice_mean - 1) - low + 1))::bigint END AS drawn
        FROM (SELECT *, greatest(1, twice_mean - 20000) AS low FROM (
                  SELECT *, (2 * left_fen + floor(random() * (shares - index))::bigint) / (shares - index) AS twice_mean
                  FROM opened WHERE index < opens) AS means OFFSET 0) AS lows
    ) AS drawn
)
INSERT INTO claims (packet_id, index, user_id, amount_fen, at_ms)
SELECT packet_id, index - 1, 1 + (first_user + (index - 1) * 7919) % $2, amount_fen, least(at_ms, $5::bigint) FROM opened
WHERE index > 0

-- name: sums
-- What the packets say of their claims; those that were not emptied went back after a day.
UPDATE packets p SET version = s.opens, claimed_fen = s.fen,
       refunded_fen = CASE WHEN s.opens < p.shares THEN p.total_fen - s.fen ELSE 0 END,
       closed_at_ms = CASE WHEN s.opens < p.shares THEN p.expires_at_ms ELSE s.last_ms END
FROM (SELECT p.packet_id, count(c.*)::integer AS opens, coalesce(sum(amount_fen), 0)::bigint AS fen, max(at_ms) AS last_ms
      FROM packets p LEFT JOIN claims c USING (packet_id)
      WHERE p.packet_id >= $1::bigint + $2::bigint AND p.packet_id < $1::bigint + $3::bigint GROUP BY 1) AS s
WHERE p.packet_id = s.packet_id

-- name: wallets
INSERT INTO wallets (user_id, balance_fen) SELECT n, 100000 FROM generate_series(1, $1::bigint) AS n
ON CONFLICT DO NOTHING
