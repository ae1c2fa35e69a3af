-- name: put_sponsor
INSERT INTO sponsors AS s (user_id, name, created_at_ms) VALUES ($1, $2, $3)
ON CONFLICT (user_id) DO UPDATE SET name = excluded.name WHERE s.name <> excluded.name

-- name: is_sponsor
SELECT EXISTS (SELECT FROM sponsors WHERE user_id = $1)

-- name: before
SELECT campaign_id FROM campaigns WHERE sponsor_id = $1 AND key = $2

-- name: insert
INSERT INTO campaigns (campaign_id, sponsor_id, key, name, greeting, cover, group_id, highlighted, shares, budget_fen,
                       share_fen_min, share_fen_max, per_user_limit, deck, seed_index, client_seed, commitment,
                       created_at_ms, starts_at_ms, ends_at_ms, event_kind, published_left, published_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $9, $18)

-- name: rows
SELECT campaign_id, sponsor_id, s.name AS sponsor_name, c.key, c.name, greeting, cover, group_id, highlighted, shares,
       budget_fen, share_fen_min, share_fen_max, per_user_limit, deck, seed_index, client_seed, commitment,
       c.created_at_ms, starts_at_ms, ends_at_ms, state, version, published_left, published_at_ms, closed_at_ms,
       returned_fen, event_kind
FROM campaigns c JOIN sponsors s ON s.user_id = c.sponsor_id WHERE campaign_id = ANY($1)

-- name: open_ids
SELECT campaign_id FROM campaigns WHERE closed_at_ms IS NULL ORDER BY campaign_id

-- name: page
SELECT campaign_id FROM campaigns WHERE campaign_id < $1 ORDER BY campaign_id DESC LIMIT $2

-- name: change
-- What has ended stays so.
UPDATE campaigns SET state = $2, version = version + 1 WHERE campaign_id = $1 AND state NOT IN ($2, 'ended')

-- name: end_due
-- One that another transaction locks ends later, and holds up no other.
UPDATE campaigns SET state = 'ended', version = version + 1
WHERE campaign_id IN (SELECT campaign_id FROM campaigns
                      WHERE closed_at_ms IS NULL AND state <> 'ended' AND ends_at_ms <= $1
                      ORDER BY campaign_id FOR NO KEY UPDATE SKIP LOCKED)

-- name: start_due
-- Each campaign that runs is marked once; a trigger tells of it. One that is paused at its start begins when it is resumed.
UPDATE campaigns SET started_at_ms = $1
WHERE closed_at_ms IS NULL AND started_at_ms IS NULL AND state = 'open' AND starts_at_ms <= $1 AND ends_at_ms > $1

-- name: progress
-- Shares that are recorded as won: of closed leases all but the rest, of open ones what their packets say.
SELECT c.campaign_id, published_left, published_at_ms,
       coalesce((SELECT sum(numbers - rest) FROM leases l
                 WHERE l.campaign_id = c.campaign_id AND closed_at_ms IS NOT NULL), 0)::bigint
       + coalesce((SELECT sum(p.version) FROM leases l JOIN packets p USING (packet_id)
                   WHERE l.campaign_id = c.campaign_id AND l.closed_at_ms IS NULL), 0)::bigint AS won
FROM campaigns c WHERE campaign_id = ANY($1)

-- name: publish
UPDATE campaigns SET published_left = $2, published_at_ms = $3 WHERE campaign_id = $1 AND published_left > $2

-- name: lock_ended
SELECT budget_fen FROM campaigns WHERE campaign_id = $1 AND state = 'ended' AND closed_at_ms IS NULL FOR UPDATE

-- name: sponsor_of
SELECT sponsor_id FROM campaigns WHERE campaign_id = $1

-- name: leased
SELECT count(*) FILTER (WHERE l.closed_at_ms IS NULL) AS open, coalesce(sum(claimed_fen), 0)::bigint AS won_fen
FROM leases l JOIN packets USING (packet_id) WHERE campaign_id = $1

-- name: close
UPDATE campaigns SET closed_at_ms = $2, returned_fen = $3, version = version + 1 WHERE campaign_id = $1

-- name: count_hours
INSERT INTO campaign_hours AS h (campaign_id, at_ms, shakes, rests, nothings)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
    AS counted (campaign_id, at_ms, shakes, rests, nothings) ORDER BY campaign_id, at_ms
ON CONFLICT (campaign_id, at_ms) DO UPDATE SET
    shakes = h.shakes + excluded.shakes, rests = h.rests + excluded.rests, nothings = h.nothings + excluded.nothings

-- name: totals
SELECT count(*) FILTER (WHERE l.closed_at_ms IS NULL) AS open_leases, coalesce(sum(p.version), 0)::bigint AS won_shares,
       coalesce(sum(p.claimed_fen), 0)::bigint AS won_fen,
       (SELECT count(*) FROM wins w WHERE w.campaign_id = $1 AND w.n = 1) AS winners
FROM leases l JOIN packets p USING (packet_id) WHERE l.campaign_id = $1

-- name: hours
-- $2: milliseconds of an hour.
SELECT at_ms, coalesce(shakes, 0), coalesce(rests, 0), coalesce(nothings, 0), coalesce(won_shares, 0),
       coalesce(won_fen, 0)
FROM (SELECT * FROM campaign_hours WHERE campaign_id = $1) AS counted
FULL JOIN (
    SELECT c.at_ms / $2 * $2 AS at_ms, count(*) AS won_shares, sum(c.amount_fen)::bigint AS won_fen
    FROM leases l JOIN claims c USING (packet_id) WHERE l.campaign_id = $1 GROUP BY 1
) AS won USING (at_ms)
ORDER BY at_ms
