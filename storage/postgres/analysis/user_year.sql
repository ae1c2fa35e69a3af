-- What one user did in a year. $1: the user; $2, $3: packets sent, or opened, at $2 or later and before $3.

-- name: totals
-- $2: the year.
SELECT sent_count, sent_fen, received_count, received_fen, best_lucks FROM years WHERE user_id = $1 AND year = $2

-- name: givers
-- $1: the year, $2: an amount. How many users sent anything, and how many of them sent less.
SELECT count(*), count(*) FILTER (WHERE sent_fen < $2::bigint) FROM years WHERE year = $1 AND sent_fen > 0

-- name: sent
-- By when they were made, as the records count them: one that was scheduled for New Year is of the year before.
SELECT created_at_ms AS at_ms, total_fen, shares, trim(greeting) AS greeting,
       CASE WHEN version = shares AND shares > 1 THEN closed_at_ms - coalesce(send_at_ms, created_at_ms) END AS emptied_ms
FROM packets WHERE sender_id = $1 AND created_at_ms >= $2 AND created_at_ms < $3 AND kind <> 'shake'
ORDER BY 1

-- name: generous_to
SELECT c.user_id, count(*) AS shares, sum(c.amount_fen)::bigint AS amount_fen
FROM packets p JOIN claims c USING (packet_id)
WHERE p.sender_id = $1 AND p.created_at_ms >= $2 AND p.created_at_ms < $3 AND p.kind <> 'shake' AND c.user_id <> $1
GROUP BY 1 ORDER BY 3 DESC, 2 DESC, 1 LIMIT 5

-- name: received
SELECT packet_id FROM received WHERE user_id = $1 AND at_ms >= $2 AND at_ms < $3

-- name: shares
-- $1: the user, $2: packets.
SELECT c.at_ms, c.amount_fen, c.index, p.sender_id, p.kind, c.at_ms - coalesce(p.send_at_ms, p.created_at_ms) AS after_ms,
       EXISTS (SELECT FROM best_lucks b WHERE b.packet_id = c.packet_id AND b.user_id = c.user_id) AS is_best
FROM claims c JOIN packets p USING (packet_id) WHERE c.packet_id = ANY($2::bigint[]) AND c.user_id = $1
ORDER BY 1

-- name: names
SELECT user_id, name FROM users WHERE user_id = ANY($1::bigint[]) AND name <> ''
UNION ALL SELECT user_id, name FROM sponsors WHERE user_id = ANY($1)
