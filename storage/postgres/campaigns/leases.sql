-- name: plan
-- What is leased next: the rest of a closed lease, or numbers that were never leased.
SELECT next_number, shares, rest.packet_id, rest.first_number, rest.numbers
FROM campaigns c LEFT JOIN LATERAL (
    SELECT packet_id, l.first_number + l.numbers - rest AS first_number, rest AS numbers FROM leases l
    WHERE l.campaign_id = c.campaign_id AND rest > 0 AND rest_lease IS NULL ORDER BY l.first_number LIMIT 1
) AS rest ON true
WHERE campaign_id = $1

-- name: lock_campaign
SELECT state, next_number FROM campaigns WHERE campaign_id = $1 FOR UPDATE

-- name: take_rest
UPDATE leases SET rest_lease = $2 WHERE packet_id = $1 AND rest = $3 AND rest_lease IS NULL RETURNING packet_id

-- name: take_next
UPDATE campaigns SET next_number = $2 WHERE campaign_id = $1

-- name: insert
INSERT INTO leases (packet_id, campaign_id, first_number, numbers, server_id) VALUES ($1, $2, $3, $4, $5)

-- name: abandoned
-- Open leases of servers that have not renewed their lease of the change feed for so many seconds, and those of this
-- server that it does not know of: the reply to their record was lost.
SELECT packet_id FROM leases
WHERE closed_at_ms IS NULL
  AND CASE WHEN server_id = $1 THEN packet_id <> ALL($2::bigint[])
           ELSE server_id NOT IN (SELECT server_id FROM servers
                                  WHERE abs(extract(epoch FROM clock_timestamp() - alive_at)) < $3) END
ORDER BY packet_id LIMIT $4

-- name: find
SELECT packet_id, campaign_id, first_number, numbers FROM leases WHERE packet_id = ANY($1)

-- name: close
-- The packets are locked before, in their order. What was not won goes back to the pool (transfer 20).
WITH opened AS (
    SELECT p.packet_id, coalesce(sum(c.amount_fen), 0)::bigint AS claimed_fen
    FROM packets p LEFT JOIN claims c USING (packet_id)
    WHERE p.packet_id = ANY($1)
    GROUP BY p.packet_id
), closed AS (
    UPDATE packets p SET closed_at_ms = $2, refunded_fen = p.total_fen - opened.claimed_fen
    FROM opened
    WHERE p.packet_id = opened.packet_id AND p.closed_at_ms IS NULL
    RETURNING p.packet_id, p.target_id, p.refunded_fen, p.shares - p.version AS rest
), returned AS (
    INSERT INTO transfers (debit_account, credit_account, kind, key, amount_fen, at_ms)
    SELECT packet_id, target_id, $3, '', refunded_fen, $2 FROM closed
)
UPDATE leases l SET closed_at_ms = $2, rest = closed.rest FROM closed
WHERE l.packet_id = closed.packet_id
RETURNING l.packet_id, l.campaign_id, l.rest, closed.refunded_fen

-- name: lock_untold
-- At the end of a campaign, when all its leases are closed: another server may be telling of some.
SELECT FROM leases WHERE campaign_id = $1 AND (closed_at_ms IS NULL OR told < numbers - rest)
ORDER BY packet_id FOR UPDATE

-- name: tell_wins
-- Events of what is recorded as won since the last time, 500 wins in one at most. The number of an event is that of the wins
-- of its lease that are told with it. Leases that another transaction locks are told of by it, or the next time: nothing
-- waits here, so no order of locks matters.
WITH fresh AS (
    SELECT l.packet_id, l.told, p.version FROM leases l JOIN packets p USING (packet_id)
    WHERE l.campaign_id = ANY($1::bigint[]) AND (l.closed_at_ms IS NULL OR l.told < l.numbers - l.rest) AND p.version > l.told
    FOR UPDATE OF l SKIP LOCKED
), marked AS (
    UPDATE leases l SET told = fresh.version FROM fresh WHERE l.packet_id = fresh.packet_id
    RETURNING l.packet_id, fresh.told AS first_index, fresh.version AS end_index
), parts AS (
    SELECT packet_id, first, least(first + 500, end_index) AS upto
    FROM marked, generate_series(first_index, end_index - 1, 500) AS first
)
SELECT add_webhook_events('campaign.won', array_agg(packet_id), array_agg(upto::bigint), array_agg(first::bigint),
                          array_agg($2::bigint))
FROM parts HAVING count(*) > 0

-- name: wins
-- The newest win of each of these users.
SELECT DISTINCT ON (w.campaign_id, w.user_id) w.campaign_id, w.user_id, n, w.packet_id, w.index, c.amount_fen
FROM unnest($1::bigint[], $2::bigint[]) AS asked (campaign_id, user_id)
JOIN wins w USING (campaign_id, user_id) JOIN claims c ON c.packet_id = w.packet_id AND c.index = w.index
ORDER BY w.campaign_id, w.user_id, n DESC

-- name: wins_of_user
SELECT first_number + w.index AS number, w.user_id, c.amount_fen, c.at_ms
FROM wins w JOIN leases USING (packet_id) JOIN claims c USING (packet_id, index)
WHERE w.campaign_id = $1 AND w.user_id = $2 ORDER BY n

-- name: won_share
SELECT index, amount_fen, at_ms FROM claims WHERE packet_id = $1 AND user_id = $2

-- name: won_numbers
-- All numbers of a pool that were won, in order.
SELECT l.first_number + c.index AS number, c.amount_fen
FROM leases l JOIN claims c USING (packet_id) WHERE l.campaign_id = $1 ORDER BY 1
