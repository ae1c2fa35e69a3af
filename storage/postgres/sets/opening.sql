-- name: facts
SELECT name, value FROM facts

-- name: put_fact
INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- name: place_all
-- Who is known to a record of one set is in set 0.
INSERT INTO user_sets (user_id, set_number)
SELECT user_id, 0 FROM users UNION SELECT user_id, 0 FROM wallets ON CONFLICT DO NOTHING

-- name: tell_best_lucks
-- Those that a record of one set has counted.
INSERT INTO told_by_sets (packet_id, topic, stream_id, at_ms)
SELECT packet_id, 5, user_id, at_ms FROM best_lucks JOIN claims USING (packet_id, user_id) ON CONFLICT DO NOTHING

-- name: tell_turns
-- The same of packets after which it is known whose turn it is, or that it is the turn of no user.
INSERT INTO told_by_sets (packet_id, topic, stream_id, at_ms)
SELECT packet_id, 7, target_id, created_at_ms FROM best_lucks JOIN packets USING (packet_id) ON CONFLICT DO NOTHING

-- name: accounts
INSERT INTO accounts (account_id, type, name)
SELECT $2::bigint - number, 'in_transit', 'set ' || number FROM generate_series(0, $1::bigint - 1) AS number
ON CONFLICT DO NOTHING

-- name: others_live
-- As the change feed sees it: a beat that is younger than its lease.
SELECT EXISTS (SELECT FROM servers WHERE alive_at > now() - interval '2 seconds')

-- name: has_books
SELECT EXISTS (SELECT FROM users) OR EXISTS (SELECT FROM wallets) OR EXISTS (SELECT FROM packets)
    OR EXISTS (SELECT FROM groups) OR EXISTS (SELECT FROM messages)

-- name: number_on
-- Breaks and corrections of a further set have numbers of their own, from $1 on; once.
SELECT setval('payment_breaks_break_id_seq', $1::bigint, false) FROM payment_breaks_break_id_seq WHERE last_value < $1
UNION ALL
SELECT setval('corrections_correction_id_seq', $1, false) FROM corrections_correction_id_seq WHERE last_value < $1
