-- name: by_name
-- Users whose name looks like $1, whether they chose it or were given it. Both forms have an index.
SELECT user_id, name FROM users WHERE user_id = ANY(ARRAY(
    SELECT user_id FROM users WHERE unique_name = $1 UNION SELECT user_id FROM given_names WHERE unique_form = $1
)) ORDER BY user_id LIMIT $2

-- name: user
SELECT name, banned_at_ms, tokens_from_s, known_at_ms, EXISTS (SELECT FROM sponsors s WHERE s.user_id = u.user_id)
FROM users u WHERE user_id = $1

-- name: by_key
-- What a user has moved with a key: the parts of a search by primary keys and unique indexes alone. The kinds are those of
-- server/core/ledger.py: 1 a top-up, 2 a withdrawal, 3 a packet, 9 a charge, 10 a payout, 13 a transfer, 14 a pay.
SELECT 3 AS kind, packet_id AS number, target_id AS other_id, total_fen AS amount_fen, created_at_ms AS at_ms, '' AS text
FROM packets WHERE sender_id = $1 AND key = $2
UNION ALL
SELECT kind, 0, other_id, amount_fen, at_ms, text FROM wallet_orders WHERE user_id = $1 AND kind IN (13, 14) AND key = $2
UNION ALL
SELECT kind, 0, 0, amount_fen, at_ms, '' FROM transfers
WHERE debit_account = 0 AND credit_account = $1 AND kind = 1 AND key = $2
UNION ALL
SELECT kind, 0, 0, amount_fen, at_ms, '' FROM transfers
WHERE debit_account = $1 AND credit_account = 0 AND kind = 2 AND key = $2
ORDER BY at_ms, kind

-- name: payments_by_key
SELECT CASE kind WHEN 'charge' THEN 9 ELSE 10 END AS kind, number, 0::bigint AS other_id, amount_fen, created_at_ms AS at_ms,
       state AS text
FROM payments WHERE user_id = $1 AND key = $2 AND kind IN ('charge', 'payout') ORDER BY number

-- name: transfers_of_packet
-- Of a claim that is credited in another set (22) the key is the user.
SELECT kind, CASE kind WHEN 22 THEN key::bigint ELSE credit_account END AS user_id, amount_fen, at_ms
FROM transfers WHERE debit_account = $1

-- name: groups_of_packet
SELECT group_id, at_ms FROM packet_groups WHERE packet_id = $1 ORDER BY at_ms, group_id

-- name: best_luck
SELECT user_id FROM best_lucks WHERE packet_id = $1

-- name: scheduled
SELECT state FROM scheduled_packets WHERE packet_id = $1

-- name: charge_of_packet
-- The charge that brought the money of a packet, by the key of its sender.
SELECT number, created_at_ms FROM payments WHERE kind = 'charge' AND user_id = $1 AND key = $2 AND packet_id = $3

-- name: posts
-- Messages about a packet among the newest $3 of these streams; there is no index by packet.
SELECT m.stream_id, m.message, coalesce(m.reminder, 0)::integer AS reminder, m.at_ms
FROM streams s JOIN messages m ON m.stream_id = s.stream_id AND m.message > s.last_message - $3
WHERE s.stream_id = ANY($1) AND m.packet_id = $2
ORDER BY m.at_ms, m.stream_id, m.message

-- name: group
SELECT g.name, g.owner_id, g.kind, coalesce(g.external_id, '') AS external_id, g.created_at_ms, g.deleted_at_ms,
       (SELECT count(*) FROM memberships m WHERE m.group_id = g.group_id AND m.left_at_ms IS NULL) AS members,
       coalesce((SELECT s.last_message FROM streams s WHERE s.stream_id = g.group_id), 0) AS messages
FROM groups g WHERE g.group_id = $1

-- name: members_of_group
-- Those who came or went last first.
SELECT user_id, joined_at_ms, left_at_ms, kicked_at_ms FROM memberships WHERE group_id = $1
ORDER BY greatest(joined_at_ms, left_at_ms) DESC, user_id LIMIT $2

-- name: packets_of_group
-- Packets among the newest $2 messages of a group, the newest first; there is no index of packets by group.
SELECT m.packet_id, m.at_ms FROM streams s JOIN messages m ON m.stream_id = s.stream_id AND m.message > s.last_message - $2
WHERE s.stream_id = $1 AND m.packet_id IS NOT NULL AND m.reminder IS NULL
ORDER BY m.message DESC LIMIT $3
