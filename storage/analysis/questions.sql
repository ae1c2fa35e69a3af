-- What a report asks. Each question is one statement; $from_ms, $to_ms and other names are its parameters.

-- name: totals
-- `people`: senders, and of what sponsors give the openers.
WITH openers AS (
    SELECT p.kind, count(DISTINCT c.user_id) AS people FROM packets p JOIN claims c USING (packet_id)
    WHERE list_contains($sponsored, p.kind) GROUP BY 1
)
SELECT kind, count(*), sum(shares)::BIGINT, sum(version)::BIGINT, sum(total_fen)::BIGINT, sum(claimed_fen)::BIGINT,
       sum(refunded_fen)::BIGINT, count(*) FILTER (WHERE version = shares),
       CASE WHEN list_contains($sponsored, kind) THEN coalesce(any_value(people), 0) ELSE count(DISTINCT sender_id) END
FROM packets LEFT JOIN openers USING (kind) GROUP BY kind ORDER BY sum(total_fen) DESC, kind

-- name: claimed
SELECT count(*), coalesce(sum(amount_fen), 0)::BIGINT FROM claims

-- name: people
SELECT count(*), count(*) FILTER (WHERE packets > 0), count(*) FILTER (WHERE opens > 0),
       count(*) FILTER (WHERE packets > 0 AND opens > 0)
FROM people

-- name: sent_by_minute
-- Minutes in groups of $width, so that a curve has few hundred points: the sum, and the busiest minute of each.
WITH minutes AS (
    SELECT sent_ms // 60000 AS minute, count(*) AS packets, sum(total_fen) AS fen FROM packets WHERE kind <> 'shake'
    GROUP BY 1
)
SELECT minute // $width * $width * 60000, sum(packets)::BIGINT, max(packets), sum(fen)::BIGINT FROM minutes
GROUP BY 1 ORDER BY 1

-- name: opened_by_minute
WITH minutes AS (SELECT at_ms // 60000 AS minute, count(*) AS shares, sum(amount_fen) AS fen FROM claims GROUP BY 1)
SELECT minute // $width * $width * 60000, sum(shares)::BIGINT, max(shares), sum(fen)::BIGINT FROM minutes
GROUP BY 1 ORDER BY 1

-- name: hours
-- By day of the week (1: Monday) and hour, in Beijing.
SELECT ((sent_ms + 28800000) // 86400000 + 3) % 7 + 1, (sent_ms + 28800000) // 3600000 % 24, count(*),
       count(DISTINCT sender_id)
FROM packets WHERE kind <> 'shake' GROUP BY 1, 2 ORDER BY 1, 2

-- name: emptied
-- Of packets with two shares or more that were emptied: the quantiles of the time it took.
SELECT kind, count(*), count(DISTINCT sender_id), quantile_cont((closed_at_ms - sent_ms) / 1000.0, [0.1, 0.5, 0.9, 0.99]),
       count(*) FILTER (WHERE closed_at_ms - sent_ms <= 10000)
FROM packets WHERE version = shares AND shares > 1 AND kind <> 'shake' GROUP BY kind ORDER BY count(*) DESC, kind

-- name: gone
-- Of all shares of packets with two shares or more: how many were gone after so many seconds.
WITH edges AS (SELECT unnest([1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400]) AS edge_s),
opened AS (
    SELECT least((c.at_ms - p.sent_ms + 999) // 1000, 86400) AS after_s, count(*) AS shares
    FROM claims c JOIN packets p USING (packet_id) WHERE p.shares > 1 AND p.kind <> 'shake' GROUP BY 1
)
SELECT edge_s, coalesce(sum(shares) FILTER (WHERE after_s <= edge_s), 0)::BIGINT,
       (SELECT coalesce(sum(shares), 0) FROM packets WHERE shares > 1 AND kind <> 'shake')::BIGINT
FROM edges LEFT JOIN opened ON true GROUP BY 1 ORDER BY 1

-- name: share_amounts
-- From 1, 2 or 5 times a power of ten to the next of these, so that all are about as wide on an axis of powers.
SELECT amounts_from(amount_fen), amounts_to(amount_fen), count(*), sum(amount_fen)::BIGINT, count(DISTINCT user_id)
FROM claims GROUP BY 1, 2 ORDER BY 1

-- name: packet_amounts
SELECT amounts_from(total_fen), amounts_to(total_fen), count(*), sum(total_fen)::BIGINT, count(DISTINCT sender_id)
FROM packets WHERE kind <> 'shake' GROUP BY 1, 2 ORDER BY 1

-- name: giving
SELECT sent_fen, count(*) FROM people GROUP BY 1 ORDER BY 1

-- name: receiving
SELECT opened_fen, count(*) FROM people GROUP BY 1 ORDER BY 1

-- name: flows
-- From whom to whom: classes of givers (see `people`), without what senders opened themselves.
SELECT g.class, r.class, count(*), sum(c.amount_fen)::BIGINT, count(DISTINCT p.sender_id), count(DISTINCT c.user_id)
FROM claims c JOIN packets p USING (packet_id)
JOIN people g ON g.user_id = p.sender_id JOIN people r ON r.user_id = c.user_id
WHERE p.kind <> 'shake' AND c.user_id <> p.sender_id GROUP BY 1, 2 ORDER BY 1, 2

-- name: own
-- What senders opened of their own packets.
SELECT count(*), coalesce(sum(c.amount_fen), 0)::BIGINT, count(DISTINCT c.user_id)
FROM claims c JOIN packets p USING (packet_id) WHERE c.user_id = p.sender_id

-- name: replies
-- Users whose first share (of another user's packet) is known for 24 hours: how many sent a packet within each hour.
WITH firsts AS (
    SELECT c.user_id, min(c.at_ms) AS at_ms FROM claims c JOIN packets p USING (packet_id)
    WHERE c.user_id <> p.sender_id GROUP BY 1 HAVING min(c.at_ms) + 86400000 <= $until_ms
), sends AS (SELECT sender_id AS user_id, sent_ms FROM packets WHERE kind <> 'shake'),
answers AS (
    SELECT f.user_id, (s.sent_ms - f.at_ms) // 3600000 AS hour
    FROM firsts f ASOF LEFT JOIN sends s ON s.user_id = f.user_id AND s.sent_ms >= f.at_ms
)
SELECT hour, count(*), (SELECT count(*) FROM firsts) FROM answers WHERE hour < 24 GROUP BY 1
UNION ALL SELECT NULL, 0, (SELECT count(*) FROM firsts)
ORDER BY 1 NULLS FIRST

-- name: retention
-- Users who are new: by what they did first, how many are known for so many days, and how many of them came back then.
WITH newcomers AS (
    SELECT user_id, CASE WHEN first_sent_ms <= coalesce(first_opened_ms, first_sent_ms) THEN 'sent' ELSE 'opened' END AS role,
           (least(coalesce(first_sent_ms, first_opened_ms), coalesce(first_opened_ms, first_sent_ms)) + 28800000) // 86400000
               AS first_day
    FROM people WHERE user_id NOT IN (SELECT user_id FROM older_users)
), days AS (
    SELECT sender_id AS user_id, (sent_ms + 28800000) // 86400000 AS day FROM packets WHERE kind <> 'shake'
    UNION SELECT user_id, (at_ms + 28800000) // 86400000 FROM claims
), later AS (SELECT unnest(range(1, 15)) AS after_days),
known AS (
    SELECT role, after_days, count(*) AS users FROM newcomers, later
    WHERE first_day + after_days < ($until_ms + 28800000) // 86400000 GROUP BY 1, 2
), back AS (
    SELECT role, day - first_day AS after_days, count(*) AS users FROM newcomers JOIN days USING (user_id)
    WHERE day - first_day BETWEEN 1 AND 14 AND day < ($until_ms + 28800000) // 86400000 GROUP BY 1, 2
)
SELECT role, after_days, known.users, coalesce(back.users, 0)
FROM known LEFT JOIN back USING (role, after_days) ORDER BY 1, 2

-- name: greetings
SELECT greeting, count(*), count(DISTINCT sender_id), sum(total_fen)::BIGINT
FROM (SELECT trim(greeting) AS greeting, sender_id, total_fen FROM packets
      WHERE NOT list_contains($sponsored, kind))
GROUP BY 1 ORDER BY 2 DESC, 1

-- name: shakes
SELECT c.name, s.name, h.shakes, h.rests, h.nothings, coalesce(w.wins, 0), coalesce(w.winners, 0),
       coalesce(w.fen, 0)::BIGINT, c.budget_fen
FROM campaigns c JOIN sponsors s ON s.user_id = c.sponsor_id
JOIN (SELECT campaign_id, sum(shakes)::BIGINT AS shakes, sum(rests)::BIGINT AS rests, sum(nothings)::BIGINT AS nothings
      FROM shake_hours GROUP BY 1) h USING (campaign_id)
LEFT JOIN (SELECT l.campaign_id, count(*) AS wins, count(DISTINCT k.user_id) AS winners, sum(k.amount_fen) AS fen
           FROM leases l JOIN claims k USING (packet_id) GROUP BY 1) w USING (campaign_id)
ORDER BY h.shakes DESC, c.campaign_id

-- name: sponsors
WITH spent AS (
    SELECT p.sender_id AS sponsor_id, c.user_id, c.amount_fen FROM packets p JOIN claims c USING (packet_id)
    WHERE p.kind <> 'shake' AND p.sender_id IN (SELECT user_id FROM sponsors)
    UNION ALL
    SELECT m.sponsor_id, c.user_id, c.amount_fen FROM leases l JOIN campaigns m USING (campaign_id) JOIN claims c USING (packet_id)
)
SELECT s.name, count(*), count(DISTINCT spent.user_id), sum(amount_fen)::BIGINT
FROM spent JOIN sponsors s ON s.user_id = spent.sponsor_id GROUP BY s.user_id, s.name ORDER BY 4 DESC, s.user_id

-- name: refusals
SELECT 'packet in a sponsor''s name', reason, sum(failures)::BIGINT FROM bill_failures GROUP BY 2
UNION ALL SELECT kind, reason, count(*) FROM payments WHERE state = 'failed' GROUP BY 1, 2
UNION ALL SELECT 'shake', 'rest', sum(rests)::BIGINT FROM shake_hours HAVING sum(rests) > 0
UNION ALL SELECT 'shake', 'nothing, for overload', sum(nothings)::BIGINT FROM shake_hours HAVING sum(nothings) > 0
ORDER BY 3 DESC, 1, 2

-- name: payments
SELECT gateway, kind, state, count(*), sum(amount_fen)::BIGINT, count(DISTINCT user_id), min(created_ms) FROM payments
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3

-- name: breaks
SELECT class, is_open, sum(breaks)::BIGINT, sum(amount_fen)::BIGINT FROM breaks GROUP BY 1, 2 ORDER BY 1, 2

-- name: risk_hits
SELECT rule, mode, sum(decisions)::BIGINT, count(DISTINCT user_id) FROM risk_hits GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2

-- name: risk_in_force
SELECT action, count(*) FROM risk_in_force GROUP BY 1 ORDER BY 2 DESC, 1

-- name: luck_groups
-- Emptied packets with the same total, shares and limits, the most frequent first; with their openers. $kinds: those that
-- are drawn.
SELECT p.total_fen, p.shares, p.share_fen_min, p.share_fen_max, count(DISTINCT p.packet_id), count(DISTINCT c.user_id)
FROM packets p JOIN claims c USING (packet_id)
WHERE list_contains($kinds, p.kind) AND p.version = p.shares AND p.shares > 1
GROUP BY 1, 2, 3, 4 HAVING count(DISTINCT p.packet_id) >= $least ORDER BY 5 DESC, 1, 2

-- name: luck
-- How often each amount was drawn at each turn of the packets of a group; and how often the best luck fell on it.
SELECT c.index, c.amount_fen, count(*) FROM claims c JOIN packets p USING (packet_id)
WHERE list_contains($kinds, p.kind) AND p.version = p.shares AND p.total_fen = $total_fen AND p.shares = $shares
  AND p.share_fen_min = $share_fen_min AND p.share_fen_max = $share_fen_max
GROUP BY 1, 2 ORDER BY 1, 2

-- name: best_turns
SELECT index, count(*) FROM (
    SELECT p.packet_id, arg_max(c.index, c.amount_fen * 1024 - c.index) AS index
    FROM claims c JOIN packets p USING (packet_id)
    WHERE list_contains($kinds, p.kind) AND p.version = p.shares AND p.total_fen = $total_fen AND p.shares = $shares
      AND p.share_fen_min = $share_fen_min AND p.share_fen_max = $share_fen_max
    GROUP BY 1)
GROUP BY 1 ORDER BY 1

-- name: sent_between
SELECT min(sent_ms), max(sent_ms) FROM packets

-- name: median_empty_s
SELECT median((closed_at_ms - sent_ms) / 1000.0) FROM packets WHERE version = shares AND shares > 1 AND kind <> 'shake'

-- name: unsound
-- Packets whose sums differ from their claims, or exceed their total; the first ten.
SELECT packet_id FROM packets
LEFT JOIN (SELECT packet_id, sum(amount_fen) AS fen, count(*) AS claims FROM claims GROUP BY 1) USING (packet_id)
WHERE claimed_fen <> coalesce(fen, 0) OR version <> coalesce(claims, 0) OR claimed_fen + refunded_fen > total_fen
   OR (closed_at_ms IS NOT NULL AND claimed_fen + refunded_fen <> total_fen)
ORDER BY 1 LIMIT 10
