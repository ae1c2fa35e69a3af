-- What a report copies out of one snapshot. $1, $2: packets that were sent at $1 or later and before $2. Text has no line
-- breaks, so that the copy can be read in parallel.

-- name: packets
SELECT packet_id, sender_id, kind, total_fen, shares, share_fen_min, share_fen_max,
       coalesce(send_at_ms, created_at_ms) AS sent_ms, closed_at_ms, version, claimed_fen, refunded_fen,
       translate(greeting, E'\n\r', '  ') AS greeting
FROM packets WHERE coalesce(send_at_ms, created_at_ms) >= $1::bigint AND coalesce(send_at_ms, created_at_ms) < $2::bigint

-- name: claims
SELECT c.packet_id, c.index, c.user_id, c.amount_fen, c.at_ms
FROM claims c JOIN packets p USING (packet_id)
WHERE coalesce(p.send_at_ms, p.created_at_ms) >= $1::bigint AND coalesce(p.send_at_ms, p.created_at_ms) < $2::bigint

-- name: older_users
-- Users who sent or received before. Packets that a user sent, and `received`, are in the set of the user's wallet.
SELECT user_id FROM wallets w
WHERE EXISTS (SELECT FROM packets p WHERE p.sender_id = w.user_id AND p.created_at_ms < $1::bigint)
   OR EXISTS (SELECT FROM received r WHERE r.user_id = w.user_id AND r.at_ms < $1::bigint)

-- name: sponsors
SELECT user_id, translate(name, E'\n\r', '  ') FROM sponsors

-- name: campaigns
SELECT campaign_id, sponsor_id, translate(name, E'\n\r', '  '), shares, budget_fen FROM campaigns

-- name: leases
SELECT l.packet_id, l.campaign_id FROM leases l JOIN packets p USING (packet_id)
WHERE p.created_at_ms >= $1::bigint AND p.created_at_ms < $2::bigint

-- name: shake_hours
SELECT campaign_id, shakes, rests, nothings FROM campaign_hours WHERE at_ms >= $1::bigint AND at_ms < $2::bigint

-- name: payments
-- `reason`: why a payment failed.
SELECT gateway, kind, state, CASE state WHEN 'failed' THEN translate(reason, E'\n\r', '  ') ELSE '' END, user_id, amount_fen,
       created_at_ms
FROM payments WHERE created_at_ms >= $1::bigint AND created_at_ms < $2::bigint

-- name: breaks
SELECT class, closed_at_ms IS NULL, count(*), coalesce(sum(abs(difference_fen)), 0)
FROM payment_breaks WHERE at_ms >= $1::bigint AND at_ms < $2::bigint GROUP BY 1, 2

-- name: bill_failures
SELECT translate(reason, E'\n\r', '  '), count(*) FROM bill_failures
WHERE at_ms >= $1::bigint AND at_ms < $2::bigint GROUP BY 1

-- name: risk_hits
-- Decisions of risk control in which rules hit, by rule and user. Decisions are in set 0 alone.
SELECT hit, d.mode, d.user_id, count(*)
FROM risk_decisions d CROSS JOIN LATERAL unnest(d.hits) AS hit
WHERE d.at_ms >= $1::bigint AND d.at_ms < $2::bigint GROUP BY 1, 2, 3

-- name: risk_in_force
-- Verdicts of a time in mode on hold nothing back in another mode.
SELECT action, user_id FROM risk_verdicts WHERE action <> 'allow' AND EXISTS (SELECT FROM risk_state WHERE mode = 'on')
