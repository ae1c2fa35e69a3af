-- Each statement lists discrepancies, a line of text each; none is the right answer.

-- name: wallets
WITH changes (user_id, change_fen) AS (
    SELECT credit_account, amount_fen FROM transfers WHERE kind IN (1, 4, 5)
    UNION ALL SELECT debit_account, -amount_fen FROM transfers WHERE kind IN (2, 3)
), sums AS (
    SELECT user_id, sum(change_fen) AS moved_fen FROM changes GROUP BY user_id
)
SELECT format('wallet of user %s holds %s fen, its transfers say %s', user_id, coalesce(balance_fen, 0),
              coalesce(moved_fen, 0))
FROM wallets FULL JOIN sums USING (user_id)
WHERE coalesce(balance_fen, 0) <> coalesce(moved_fen, 0)
UNION ALL
SELECT format('wallet of user %s is below zero: %s fen', user_id, balance_fen) FROM wallets WHERE balance_fen < 0

-- name: sends
SELECT format('packet %s of %s fen was paid with %s', coalesce(p.packet_id, t.credit_account),
              coalesce(p.total_fen::text, 'no record'), coalesce(t.amount_fen || ' fen by user ' || t.debit_account, 'nothing'))
FROM packets p FULL JOIN (SELECT * FROM transfers WHERE kind = 3) t ON t.credit_account = p.packet_id
WHERE p.total_fen IS DISTINCT FROM t.amount_fen OR p.sender_id IS DISTINCT FROM t.debit_account

-- name: totals
WITH opened AS (
    SELECT packet_id, count(*) AS claims, sum(amount_fen) AS amount_fen, max(index) AS last_index
    FROM claims GROUP BY packet_id
)
SELECT format('packet %s: record says %s claims of %s fen, there are %s of %s fen, last index %s',
              coalesce(p.packet_id, o.packet_id), coalesce(p.version::text, 'nothing about'),
              coalesce(p.claimed_fen, 0), coalesce(o.claims, 0), coalesce(o.amount_fen, 0),
              coalesce(o.last_index::text, 'none'))
FROM packets p FULL JOIN opened o USING (packet_id)
WHERE p.packet_id IS NULL OR p.version <> coalesce(o.claims, 0) OR p.claimed_fen <> coalesce(o.amount_fen, 0)
   OR p.version <> coalesce(o.last_index + 1, 0)
UNION ALL
SELECT format('packet %s: claimed %s + refunded %s fen is not its total of %s', packet_id, claimed_fen, refunded_fen,
              total_fen)
FROM packets
WHERE claimed_fen + refunded_fen > total_fen
   OR (closed_at_ms IS NOT NULL AND claimed_fen + refunded_fen <> total_fen)
   OR (closed_at_ms IS NULL AND (refunded_fen <> 0 OR version = shares))

-- name: shares
SELECT format('packet %s, share %s: %s fen, allowed are %s to %s', packet_id, index, amount_fen, share_fen_min,
              share_fen_max)
FROM claims JOIN packets USING (packet_id)
WHERE amount_fen NOT BETWEEN share_fen_min AND share_fen_max OR index >= shares

-- name: once
SELECT format('user %s has %s claims on packet %s', user_id, count(*), packet_id)
FROM claims GROUP BY packet_id, user_id HAVING count(*) > 1
UNION ALL
SELECT format('packet %s has %s claims with index %s', packet_id, count(*), index)
FROM claims GROUP BY packet_id, index HAVING count(*) > 1

-- name: settlement
WITH waiting AS (
    SELECT packet_id, user_id, sum(amount_fen) AS amount_fen, count(*) AS times
    FROM settlement_queue GROUP BY packet_id, user_id
), credited AS (
    SELECT debit_account AS packet_id, credit_account AS user_id, sum(amount_fen) AS amount_fen, count(*) AS times
    FROM transfers WHERE kind = 4 GROUP BY 1, 2
)
SELECT format('packet %s, user %s: claimed %s fen, waiting %s, credited %s', packet_id, user_id,
              coalesce(c.amount_fen, 0), coalesce(w.amount_fen, 0), coalesce(t.amount_fen, 0))
FROM claims c FULL JOIN waiting w USING (packet_id, user_id) FULL JOIN credited t USING (packet_id, user_id)
WHERE coalesce(c.amount_fen, 0) <> coalesce(w.amount_fen, 0) + coalesce(t.amount_fen, 0)
   OR coalesce(w.times, 0) + coalesce(t.times, 0) <> 1

-- name: refunds
SELECT format('packet %s: record says %s fen refunded to user %s, the transfer says %s', coalesce(p.packet_id, t.debit_account),
              coalesce(p.refunded_fen, 0), coalesce(p.sender_id::text, 'nobody'),
              coalesce(t.amount_fen || ' fen to user ' || t.credit_account, 'nothing'))
FROM packets p FULL JOIN (SELECT * FROM transfers WHERE kind = 5) t ON t.debit_account = p.packet_id
WHERE coalesce(p.refunded_fen, 0) <> coalesce(t.amount_fen, 0)
   OR (t.amount_fen IS NOT NULL AND p.sender_id IS DISTINCT FROM t.credit_account)
   OR (p.refunded_fen > 0 AND p.closed_at_ms < p.expires_at_ms)

-- name: late
SELECT format('packet %s: user %s opened at %s, outside its time %s to %s', packet_id, user_id, at_ms, created_at_ms,
              expires_at_ms)
FROM claims JOIN packets USING (packet_id)
WHERE at_ms >= expires_at_ms OR at_ms < created_at_ms

-- name: allowed
-- $1: the kinds that go to one user.
SELECT format('packet %s: user %s opened it, it was for %s', c.packet_id, c.user_id,
              CASE WHEN p.kind = ANY($1::text[]) THEN 'user ' ELSE 'the members of group ' END || p.target_id)
FROM claims c JOIN packets p USING (packet_id)
LEFT JOIN memberships m ON p.kind <> ALL($1) AND m.group_id = p.target_id AND m.user_id = c.user_id
WHERE CASE WHEN p.kind = ANY($1) THEN c.user_id <> p.target_id ELSE m.user_id IS NULL END
  AND NOT EXISTS (SELECT FROM packet_groups g JOIN memberships o ON o.group_id = g.group_id AND o.user_id = c.user_id
                  WHERE p.kind <> ALL($1) AND g.packet_id = c.packet_id)

-- name: directions
SELECT format('transfer of kind %s from %s to %s runs the wrong way', kind, debit_account, credit_account)
FROM transfers
WHERE NOT (CASE kind
    WHEN 1 THEN debit_account = 0 AND credit_account BETWEEN 1 AND 9007199254740991
    WHEN 2 THEN credit_account = 0 AND debit_account BETWEEN 1 AND 9007199254740991
    WHEN 3 THEN debit_account BETWEEN 1 AND 9007199254740991 AND credit_account > 9007199254740991
    WHEN 4 THEN credit_account BETWEEN 1 AND 9007199254740991 AND debit_account > 9007199254740991
    WHEN 5 THEN credit_account BETWEEN 1 AND 9007199254740991 AND debit_account > 9007199254740991
    ELSE false END) OR amount_fen <= 0

-- name: records
-- $1: the kinds that have a best luck.
WITH credited AS (
    SELECT c.user_id, c.at_ms, c.packet_id, t.amount_fen
    FROM transfers t JOIN claims c ON c.packet_id = t.debit_account AND c.user_id = t.credit_account
    WHERE t.kind = 4
), luckiest AS (
    SELECT DISTINCT ON (packet_id) packet_id, user_id, at_ms
    FROM packets p JOIN claims c USING (packet_id)
    WHERE p.kind = ANY($1::text[]) AND p.version = p.shares
    ORDER BY packet_id, amount_fen DESC, index
), changes (user_id, year, sent, sent_fen, received, received_fen, best_lucks) AS (
    SELECT sender_id, beijing_year(created_at_ms), 1, total_fen, 0, 0, 0 FROM packets
    UNION ALL SELECT user_id, beijing_year(at_ms), 0, 0, 1, amount_fen, 0 FROM credited
    UNION ALL SELECT c.user_id, beijing_year(c.at_ms), 0, 0, 0, 0, 1
              FROM best_lucks b JOIN claims c USING (packet_id, user_id)
), counted AS (
    SELECT user_id, year, (sum(sent), sum(sent_fen), sum(received), sum(received_fen), sum(best_lucks))::text AS right_ones
    FROM changes GROUP BY user_id, year
), told AS (
    SELECT user_id, year, (sent_count, sent_fen, received_count, received_fen, best_lucks)::text AS totals FROM years
)
SELECT format('records of user %s in %s say %s, the books %s (sent, fen, received, fen, best lucks)', user_id, year,
              coalesce(totals, 'nothing'), coalesce(right_ones, 'nothing'))
FROM told FULL JOIN counted USING (user_id, year)
WHERE totals IS DISTINCT FROM right_ones
UNION ALL
SELECT format('packet %s, user %s: %s at %s', packet_id, user_id,
              CASE WHEN r.listed THEN 'in the records but not credited' ELSE 'credited but not in the records' END, at_ms)
FROM (SELECT *, true AS listed FROM received) r FULL JOIN (SELECT *, true AS moved FROM credited) c
    USING (user_id, at_ms, packet_id)
WHERE r.listed IS NULL OR c.moved IS NULL
UNION ALL
-- known with the first claim that is credited after the end, at the latest with the last of all
SELECT format('packet %s: best luck is %s, the claims say %s', packet_id, coalesce('user ' || b.user_id, 'nobody'),
              coalesce('user ' || l.user_id, 'nobody'))
FROM best_lucks b FULL JOIN luckiest l USING (packet_id)
WHERE b.user_id IS DISTINCT FROM l.user_id
  AND (b.user_id IS NOT NULL OR packet_id NOT IN (SELECT packet_id FROM settlement_queue))

-- name: sums
SELECT (SELECT count(*) FROM packets) AS packets,
       (SELECT count(*) FROM claims) AS claims,
       (SELECT count(*) FROM transfers) AS transfers,
       (SELECT count(*) FROM wallets) AS wallets,
       (SELECT coalesce(sum(balance_fen), 0)::bigint FROM wallets) AS wallets_fen,
       (SELECT coalesce(sum(total_fen - refunded_fen), 0)::bigint FROM packets)
           - (SELECT coalesce(sum(amount_fen), 0)::bigint FROM transfers WHERE kind = 4) AS in_packets_fen,
       (SELECT coalesce(sum(amount_fen) FILTER (WHERE kind = 1), 0)::bigint FROM transfers) AS put_in_fen,
       (SELECT coalesce(sum(amount_fen) FILTER (WHERE kind = 2), 0)::bigint FROM transfers) AS taken_out_fen,
       (SELECT count(*) FROM settlement_queue) AS waiting_claims,
       (SELECT coalesce(sum(amount_fen), 0)::bigint FROM settlement_queue) AS waiting_fen,
       (SELECT coalesce(sum(total_fen - claimed_fen - refunded_fen), 0)::bigint FROM packets) AS unopened_fen,
       (SELECT coalesce(sum(total_fen), 0)::bigint FROM packets) AS funded_fen,
       (SELECT coalesce(sum(amount_fen), 0)::bigint FROM claims) AS claimed_fen,
       (SELECT coalesce(sum(amount_fen) FILTER (WHERE kind = 5), 0)::bigint FROM transfers) AS refunded_fen

-- name: opened
SELECT p.packet_id, p.sender_id, p.key, p.kind, p.target_id, p.total_fen, p.shares, p.share_fen_min, p.share_fen_max,
       p.greeting, p.seed, p.created_at_ms, p.expires_at_ms, c.index, c.user_id, c.amount_fen, c.at_ms
FROM packets p JOIN claims c USING (packet_id)
ORDER BY p.packet_id, c.index
