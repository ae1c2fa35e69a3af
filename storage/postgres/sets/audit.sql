-- What the audit of several sets asks each of them. No snapshot is of one moment in two sets, so each question is about what
-- must stand in another set once it stands in this one.

-- name: number
SELECT coalesce((SELECT value FROM facts WHERE name = 'set_number'), 0)

-- name: handed_over
SELECT debit_account AS packet_id, key::bigint AS user_id, amount_fen, -100 - credit_account AS to_set
FROM transfers WHERE kind = 22

-- name: credited_for_others
-- $1: the first id that has a set in it, $2: this set.
SELECT debit_account AS packet_id, credit_account AS user_id, amount_fen FROM transfers
WHERE kind = 4 AND $2 <> CASE WHEN debit_account < $1 THEN 0 ELSE debit_account >> 16 & 63 END

-- name: credits_of
SELECT a.packet_id, a.user_id, t.amount_fen
FROM unnest($1::bigint[], $2::bigint[]) AS a (packet_id, user_id)
JOIN transfers t ON t.debit_account = a.packet_id AND t.credit_account = a.user_id AND t.kind = 4 AND t.key = ''

-- name: claims_of
SELECT a.packet_id, a.user_id, c.amount_fen
FROM unnest($1::bigint[], $2::bigint[]) AS a (packet_id, user_id)
JOIN claims c ON c.packet_id = a.packet_id AND c.user_id = a.user_id

-- name: claims_in_groups
-- $1: the kinds that go to one user, and those that friends pass on (see chains). Claims with the groups whose members might make them.
SELECT c.packet_id, c.user_id,
       ARRAY[p.target_id] || ARRAY(SELECT group_id FROM packet_groups g WHERE g.packet_id = p.packet_id) AS group_ids
FROM claims c JOIN packets p USING (packet_id) WHERE p.kind <> ALL($1::text[])

-- name: were_members
-- Of users and groups those pairs that say that the user may have opened.
SELECT a.user_id, a.group_id
FROM unnest($1::bigint[], $2::bigint[]) AS a (user_id, group_id)
JOIN groups g ON g.group_id = a.group_id
LEFT JOIN memberships m ON m.group_id = a.group_id AND m.user_id = a.user_id AND m.joined_at_ms IS NOT NULL
WHERE g.kind = 'signed' OR m.user_id IS NOT NULL

-- name: due_elsewhere
-- What other sets are told once the last claim of a packet is credited: its finish in its groups ($1: groups are in this
-- set), its best luck.
WITH over AS (
    SELECT packet_id, coalesce(chat_id, target_id) AS told_in FROM packets p
    WHERE version = shares AND kind <> 'shake'
      AND NOT EXISTS (SELECT FROM settlement_queue q WHERE q.packet_id = p.packet_id AND q.index = p.shares - 1)
)
SELECT told_in AS stream_id, 2 AS topic, packet_id FROM over WHERE NOT is_user(told_in) AND NOT $1::boolean
UNION ALL
SELECT group_id, 2, packet_id FROM over JOIN packet_groups USING (packet_id) WHERE NOT $1::boolean
UNION ALL
SELECT user_id, 5, packet_id FROM best_lucks
UNION ALL
SELECT user_id, 6, packet_id FROM words_said WHERE said_at_ms IS NOT NULL AND NOT $1::boolean
UNION ALL
SELECT coalesce(p.chat_id, p.target_id), 0, packet_id FROM scheduled_packets s JOIN packets p USING (packet_id)
WHERE s.state = 'posted' AND (is_user(coalesce(p.chat_id, p.target_id)) OR NOT $1::boolean)

-- name: waiting
SELECT coalesce(user_id, stream_id) AS stream_id, topic, packet_id FROM set_outbox

-- name: told
SELECT DISTINCT a.stream_id, a.topic, a.packet_id
FROM unnest($1::bigint[], $2::smallint[], $3::bigint[]) AS a (stream_id, topic, packet_id)
JOIN told_by_sets USING (packet_id, topic, stream_id)

-- name: late
SELECT packet_id, topic, stream_id, extract(epoch FROM now() - made_at)::bigint AS age_s
FROM set_outbox WHERE made_at < now() - interval '1 minute' ORDER BY outbox_id

-- name: orders_sent
-- Transfers and corrections for users of other sets that have left the queue, so they have arrived there.
SELECT key, debit_account AS receiver_id, amount_fen, -100 - credit_account AS other_set FROM transfers t
WHERE kind = 23 AND NOT EXISTS (SELECT FROM orders_between_sets q WHERE q.user_id || ':' || q.key = t.key)
  AND NOT EXISTS (SELECT FROM corrections_between_sets JOIN corrections c USING (correction_id)
                  WHERE format('break %s correction %s', c.break_id, c.correction_id) = t.key)

-- name: orders_come
-- Transfers and corrections from users of other sets that have arrived here.
SELECT t.key, coalesce(o.other_id, c.credit_account) AS receiver_id, t.amount_fen, -100 - t.debit_account AS other_set
FROM transfers t
LEFT JOIN wallet_orders o ON o.kind = 13 AND o.user_id = t.credit_account AND t.key = o.user_id || ':' || o.key
LEFT JOIN corrections_of_sets c
    ON c.debit_account = t.credit_account AND t.key = format('break %s correction %s', c.break_id, c.correction_id)
WHERE t.kind = 24

-- name: sent_of
-- $1: the account in transit of the set that asks.
SELECT key, debit_account AS receiver_id, amount_fen FROM transfers
WHERE kind = 23 AND credit_account = $1 AND key = ANY($2::text[])

-- name: come_of
SELECT t.key, coalesce(o.other_id, c.credit_account) AS receiver_id, t.amount_fen
FROM transfers t
LEFT JOIN wallet_orders o ON o.kind = 13 AND o.user_id = t.credit_account AND t.key = o.user_id || ':' || o.key
LEFT JOIN corrections_of_sets c
    ON c.debit_account = t.credit_account AND t.key = format('break %s correction %s', c.break_id, c.correction_id)
WHERE t.kind = 24 AND t.debit_account = $1 AND t.key = ANY($2::text[])

-- name: late_orders
SELECT user_id || ':' || key AS key, extract(epoch FROM now() - made_at)::bigint AS age_s
FROM orders_between_sets WHERE made_at < now() - interval '1 minute'
UNION ALL
SELECT format('break %s correction %s', break_id, correction_id), extract(epoch FROM now() - made_at)::bigint
FROM corrections_between_sets JOIN corrections USING (correction_id) WHERE made_at < now() - interval '1 minute'
ORDER BY age_s DESC, key

-- name: wallets
SELECT user_id FROM wallets

-- name: payers
SELECT user_id, min(number) AS number FROM payments GROUP BY user_id

-- name: strangers
-- $1: the first id that has a set in it, $2: this set, $3: how many numbers of breaks and corrections a set has.
SELECT 'payment ' || number AS name FROM payments WHERE $2::integer <> CASE WHEN number < $1 THEN 0 ELSE number >> 16 & 63 END
UNION ALL SELECT 'break ' || break_id FROM payment_breaks WHERE break_id / $3::bigint <> $2
UNION ALL SELECT 'correction ' || correction_id FROM corrections WHERE correction_id / $3 <> $2

-- name: cards_named
SELECT card_id, user_id, gateway, min(number) AS number FROM payments WHERE card_id IS NOT NULL GROUP BY 1, 2, 3

-- name: owners_of_cards
SELECT card_id, user_id, gateway FROM cards WHERE card_id = ANY($1)

-- name: breaks_cited
SELECT correction_id, break_id, debit_account, credit_account, amount_fen FROM corrections
WHERE state = 'approved' ORDER BY correction_id

-- name: breaks
SELECT break_id, difference_fen FROM payment_breaks WHERE break_id = ANY($1)

-- name: sets_of_users
SELECT user_id, set_number FROM user_sets WHERE user_id = ANY($1)
