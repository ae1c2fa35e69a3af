-- Views for people who look at the records with Metabase, Grafana or psql (docs/analysis.md). A role that may read them
-- needs no right on a table: seeds, sealed texts, words and tokens stay out of reach. Amounts in fen.

CREATE FUNCTION moment(at_ms bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN timestamptz 'epoch' + at_ms * interval '1 millisecond';

-- A user and a packet that the user sent; one row with nulls for a user who has sent none.
CREATE VIEW user_info AS
SELECT u.user_id, coalesce(n.name, '') AS name, p.packet_id, p.greeting, p.kind, p.shares, p.total_fen AS amount_fen,
       moment(p.expires_at_ms) AS expires_at
FROM (SELECT user_id FROM users UNION SELECT user_id FROM wallets) AS u
LEFT JOIN users n USING (user_id)
LEFT JOIN packets p ON p.sender_id = u.user_id AND p.kind <> 'shake';

-- What a user has, what is opened and not credited yet, and the cards that are bound.
CREATE VIEW user_wallet AS
SELECT w.user_id, w.balance_fen, coalesce(q.arriving_fen, 0) AS arriving_fen, w.version,
       coalesce(c.card_ids, '{}') AS card_ids
FROM wallets w
LEFT JOIN (SELECT user_id, sum(amount_fen)::bigint AS arriving_fen FROM settlement_queue GROUP BY user_id) q
    USING (user_id)
LEFT JOIN (SELECT user_id, array_agg(card_id ORDER BY card_id) AS card_ids FROM cards
           WHERE unbound_at_ms IS NULL GROUP BY user_id) c
    USING (user_id);

-- A packet, what became of it, and who had the best luck. `kind` shake: some numbers of a campaign's pool.
CREATE VIEW red_send AS
SELECT p.packet_id, p.sender_id, p.kind, p.target_id, p.shares, p.total_fen AS amount_fen, p.greeting,
       b.user_id AS best_luck, c.amount_fen AS best_luck_fen,
       moment(coalesce(p.send_at_ms, p.created_at_ms)) AS sent_at, moment(p.expires_at_ms) AS expires_at,
       moment(p.closed_at_ms) AS closed_at,
       p.version AS opened_shares, p.claimed_fen AS opened_fen, p.refunded_fen,
       p.total_fen - p.claimed_fen - p.refunded_fen AS unopened_fen,
       CASE WHEN p.version = p.shares
            THEN (p.closed_at_ms - coalesce(p.send_at_ms, p.created_at_ms)) / 1000.0 END AS emptied_in_s
FROM packets p
LEFT JOIN best_lucks b USING (packet_id)
LEFT JOIN claims c ON c.packet_id = b.packet_id AND c.user_id = b.user_id;

-- A share that a user opened: the how manieth of its packet, and how long after the packet was sent.
CREATE VIEW red_receive AS
SELECT c.packet_id, c.user_id AS receiver_id, c.index + 1 AS turn, c.amount_fen, moment(c.at_ms) AS received_at,
       p.sender_id, p.kind, p.target_id,
       (c.at_ms - coalesce(p.send_at_ms, p.created_at_ms)) / 1000.0 AS after_s,
       EXISTS (SELECT FROM best_lucks b WHERE b.packet_id = c.packet_id AND b.user_id = c.user_id) AS is_best_luck
FROM claims c JOIN packets p USING (packet_id);

-- Packets and shares of each minute, for a curve.
CREATE VIEW sent_by_minute AS
SELECT moment(coalesce(send_at_ms, created_at_ms) / 60000 * 60000) AS minute, kind, count(*) AS packets,
       sum(shares) AS shares, sum(total_fen)::bigint AS amount_fen
FROM packets GROUP BY 1, 2;

CREATE VIEW opened_by_minute AS
SELECT moment(c.at_ms / 60000 * 60000) AS minute, p.kind, count(*) AS shares, sum(c.amount_fen)::bigint AS amount_fen
FROM claims c JOIN packets p USING (packet_id) GROUP BY 1, 2;

-- Days of Beijing: what was sent on a day, and what has become of just these packets. sent = opened + refunded + unopened.
CREATE VIEW sent_by_day AS
SELECT beijing_day(coalesce(send_at_ms, created_at_ms)) AS day, kind, count(*) AS packets,
       count(DISTINCT sender_id) AS senders, sum(total_fen)::bigint AS sent_fen, sum(claimed_fen)::bigint AS opened_fen,
       sum(refunded_fen)::bigint AS refunded_fen, sum(total_fen - claimed_fen - refunded_fen)::bigint AS unopened_fen,
       count(*) FILTER (WHERE version = shares) AS emptied
FROM packets GROUP BY 1, 2;

-- Shakes of an hour, how they were answered, and what was won in it.
CREATE VIEW shakes_by_hour AS
SELECT c.campaign_id, c.name AS campaign, c.sponsor_id, s.name AS sponsor, moment(h.at_ms) AS hour, h.shakes, h.rests,
       h.nothings, coalesce(w.wins, 0) AS wins, coalesce(w.amount_fen, 0) AS amount_fen
FROM campaign_hours h JOIN campaigns c USING (campaign_id) JOIN sponsors s ON s.user_id = c.sponsor_id
LEFT JOIN (
    SELECT l.campaign_id, k.at_ms / 3600000 * 3600000 AS at_ms, count(*) AS wins, sum(k.amount_fen)::bigint AS amount_fen
    FROM leases l JOIN claims k USING (packet_id) GROUP BY 1, 2
) w ON w.campaign_id = h.campaign_id AND w.at_ms = h.at_ms;

-- What a sponsor has spent, by campaigns and by packets in its name, and on how many people.
CREATE VIEW sponsor_costs AS
SELECT s.user_id AS sponsor_id, s.name AS sponsor, count(k.*) AS shares, count(DISTINCT k.user_id) AS openers,
       coalesce(sum(k.amount_fen), 0)::bigint AS spent_fen,
       round(sum(k.amount_fen) / nullif(count(DISTINCT k.user_id), 0), 2) AS fen_per_opener
FROM sponsors s
LEFT JOIN LATERAL (
    SELECT c.user_id, c.amount_fen FROM packets p JOIN claims c USING (packet_id)
    WHERE p.sender_id = s.user_id AND p.kind <> 'shake'
    UNION ALL
    SELECT c.user_id, c.amount_fen FROM campaigns m JOIN leases l USING (campaign_id) JOIN claims c USING (packet_id)
    WHERE m.sponsor_id = s.user_id
) k ON true
GROUP BY 1, 2;

-- Payments of a day by their state; `oldest_open_at`: since when one waits for its end.
CREATE VIEW payments_by_day AS
SELECT beijing_day(created_at_ms) AS day, gateway, kind, state, count(*) AS payments, sum(amount_fen)::bigint AS amount_fen,
       moment(min(created_at_ms) FILTER (WHERE state NOT IN ('succeeded', 'failed'))) AS oldest_open_at
FROM payments GROUP BY 1, 2, 3, 4;

-- Differences from the books of banks, without the evidence.
CREATE VIEW payment_differences AS
SELECT break_id, gateway, class, day, number AS payment, difference_fen, moment(at_ms) AS found_at,
       moment(closed_at_ms) AS closed_at
FROM payment_breaks;
