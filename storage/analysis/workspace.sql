-- name: tables
CREATE TABLE packets (
    packet_id BIGINT, sender_id BIGINT, kind VARCHAR, total_fen BIGINT, shares INTEGER, share_fen_min BIGINT,
    share_fen_max BIGINT, sent_ms BIGINT, closed_at_ms BIGINT, version INTEGER, claimed_fen BIGINT, refunded_fen BIGINT,
    greeting VARCHAR
);
CREATE TABLE claims (packet_id BIGINT, index INTEGER, user_id BIGINT, amount_fen BIGINT, at_ms BIGINT);
CREATE TABLE older_users (user_id BIGINT);
CREATE TABLE sponsors (user_id BIGINT, name VARCHAR);
CREATE TABLE campaigns (campaign_id BIGINT, sponsor_id BIGINT, name VARCHAR, shares BIGINT, budget_fen BIGINT);
CREATE TABLE leases (packet_id BIGINT, campaign_id BIGINT);
CREATE TABLE shake_hours (campaign_id BIGINT, shakes BIGINT, rests BIGINT, nothings BIGINT);
CREATE TABLE payments (
    gateway VARCHAR, kind VARCHAR, state VARCHAR, reason VARCHAR, user_id BIGINT, amount_fen BIGINT, created_ms BIGINT
);
CREATE TABLE breaks (class VARCHAR, is_open BOOLEAN, breaks BIGINT, amount_fen BIGINT);
CREATE TABLE bill_failures (reason VARCHAR, failures BIGINT);
CREATE TABLE risk_hits (rule VARCHAR, mode VARCHAR, user_id BIGINT, decisions BIGINT);
CREATE TABLE risk_in_force (action VARCHAR, user_id BIGINT);
CREATE MACRO power_of(fen) AS (10 ** floor(log10(fen + 0.5)))::BIGINT;
CREATE MACRO amounts_from(fen) AS
    power_of(fen) * CASE WHEN fen >= 5 * power_of(fen) THEN 5 WHEN fen >= 2 * power_of(fen) THEN 2 ELSE 1 END;
CREATE MACRO amounts_to(fen) AS
    power_of(fen) * CASE WHEN fen >= 5 * power_of(fen) THEN 10 WHEN fen >= 2 * power_of(fen) THEN 5 ELSE 2 END;

-- name: make_people
-- One row for each user who sent or opened; sponsors are not among them. Opening one's own packet is no gift.
CREATE TABLE people AS
WITH sent AS (
    SELECT sender_id AS user_id, sum(total_fen) AS sent_fen, count(*) AS packets, min(sent_ms) AS first_ms
    FROM packets WHERE kind <> 'shake' GROUP BY 1
), opened AS (
    SELECT user_id, sum(amount_fen) AS opened_fen, count(*) AS opens, min(at_ms) AS first_ms FROM claims GROUP BY 1
)
SELECT user_id, coalesce(sent_fen, 0)::BIGINT AS sent_fen, coalesce(packets, 0) AS packets,
       coalesce(opened_fen, 0)::BIGINT AS opened_fen, coalesce(opens, 0) AS opens,
       sent.first_ms AS first_sent_ms, opened.first_ms AS first_opened_ms,
       CASE WHEN sent_fen IS NULL THEN 0
            WHEN percent_rank() OVER giving < 0.5 THEN 1 WHEN percent_rank() OVER giving < 0.9 THEN 2 ELSE 3 END AS class
FROM sent FULL JOIN opened USING (user_id)
WHERE user_id NOT IN (SELECT user_id FROM sponsors)
WINDOW giving AS (PARTITION BY sent_fen IS NULL ORDER BY sent_fen, user_id)
