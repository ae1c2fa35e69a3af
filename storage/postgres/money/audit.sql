-- Each statement lists discrepancies, a line of text each; none is the right answer.

-- name: wallets
-- $1: the kinds that move nothing.
WITH changes (user_id, change_fen) AS (
    SELECT credit_account, amount_fen FROM transfers WHERE kind <> ALL($1::smallint[]) AND is_user(credit_account)
    UNION ALL
    SELECT debit_account, -amount_fen FROM transfers WHERE kind <> ALL($1) AND is_user(debit_account)
), sums AS (
    SELECT user_id, sum(change_fen) AS moved_fen FROM changes GROUP BY user_id
)
SELECT format('wallet of user %s holds %s ¤, its transfers say %s', user_id, coalesce(balance_fen, 0),
              coalesce(moved_fen, 0))
FROM wallets FULL JOIN sums USING (user_id)
WHERE coalesce(balance_fen, 0) <> coalesce(moved_fen, 0)
UNION ALL
SELECT format('wallet of user %s is below zero: %s ¤', user_id, balance_fen) FROM wallets WHERE balance_fen < 0

-- name: sends
-- Leases of campaigns (shake) are paid for by their pool: see `pools`.
SELECT format('packet %s of %s ¤ was paid with %s', coalesce(p.packet_id, t.credit_account),
              coalesce(p.total_fen::text, 'no record'), coalesce(t.amount_fen || ' ¤ by user ' || t.debit_account, 'nothing'))
FROM (SELECT * FROM packets WHERE kind <> 'shake') p
FULL JOIN (SELECT * FROM transfers WHERE kind = 3) t ON t.credit_account = p.packet_id
WHERE p.total_fen IS DISTINCT FROM t.amount_fen OR p.sender_id IS DISTINCT FROM t.debit_account

-- name: totals
WITH opened AS (
    SELECT packet_id, count(*) AS claims, sum(amount_fen) AS amount_fen, max(index) AS last_index
    FROM claims GROUP BY packet_id
)
SELECT format('packet %s: record says %s claims of %s ¤, there are %s of %s ¤, last index %s',
              coalesce(p.packet_id, o.packet_id), coalesce(p.version::text, 'nothing about'),
              coalesce(p.claimed_fen, 0), coalesce(o.claims, 0), coalesce(o.amount_fen, 0),
              coalesce(o.last_index::text, 'none'))
FROM packets p FULL JOIN opened o USING (packet_id)
WHERE p.packet_id IS NULL OR p.version <> coalesce(o.claims, 0) OR p.claimed_fen <> coalesce(o.amount_fen, 0)
   OR p.version <> coalesce(o.last_index + 1, 0)
UNION ALL
SELECT format('packet %s: claimed %s + refunded %s ¤ is not its total of %s', packet_id, claimed_fen, refunded_fen,
              total_fen)
FROM packets
WHERE claimed_fen + refunded_fen > total_fen
   OR (closed_at_ms IS NOT NULL AND claimed_fen + refunded_fen <> total_fen)
   OR (closed_at_ms IS NULL AND (refunded_fen <> 0 OR version = shares))

-- name: shares
SELECT format('packet %s, share %s: %s ¤, allowed are %s to %s', packet_id, index, amount_fen, share_fen_min,
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
-- Claims of this set, credited here or handed over to another set. Credits for packets of other sets: see `across`.
WITH here AS (
    SELECT coalesce((SELECT value FROM facts WHERE name = 'sets'), 1) AS sets,
           coalesce((SELECT value FROM facts WHERE name = 'set_number'), 0) AS number,
           (SELECT value FROM facts WHERE name = 'first_id') AS first_id
), waiting AS (
    SELECT packet_id, user_id, sum(amount_fen) AS amount_fen, count(*) AS times
    FROM settlement_queue GROUP BY packet_id, user_id
), credited AS (
    SELECT debit_account AS packet_id, credit_account AS user_id, sum(amount_fen) AS amount_fen, count(*) AS times
    FROM transfers
    WHERE kind = 4 AND ((SELECT sets FROM here) = 1 OR (SELECT number FROM here)
        = CASE WHEN debit_account < (SELECT first_id FROM here) THEN 0 ELSE debit_account >> 16 & 63 END)
    GROUP BY 1, 2
    UNION ALL
    SELECT debit_account, key::bigint, sum(amount_fen), count(*) FROM transfers WHERE kind = 22 GROUP BY 1, 2
)
SELECT format('packet %s, user %s: claimed %s ¤, waiting %s, credited %s', packet_id, user_id,
              coalesce(c.amount_fen, 0), coalesce(w.amount_fen, 0), coalesce(t.amount_fen, 0))
FROM claims c FULL JOIN waiting w USING (packet_id, user_id) FULL JOIN credited t USING (packet_id, user_id)
WHERE coalesce(c.amount_fen, 0) <> coalesce(w.amount_fen, 0) + coalesce(t.amount_fen, 0)
   OR coalesce(w.times, 0) + coalesce(t.times, 0) <> 1

-- name: refunds
SELECT format('packet %s: record says %s ¤ refunded to user %s, the transfer says %s', coalesce(p.packet_id, t.debit_account),
              coalesce(p.refunded_fen, 0), coalesce(p.sender_id::text, 'nobody'),
              coalesce(t.amount_fen || ' ¤ to user ' || t.credit_account, 'nothing'))
FROM (SELECT * FROM packets WHERE kind <> 'shake') p
FULL JOIN (SELECT * FROM transfers WHERE kind = 5) t ON t.debit_account = p.packet_id
WHERE coalesce(p.refunded_fen, 0) <> coalesce(t.amount_fen, 0)
   OR (t.amount_fen IS NOT NULL AND p.sender_id IS DISTINCT FROM t.credit_account)
   OR (p.refunded_fen > 0 AND p.closed_at_ms < p.expires_at_ms AND NOT EXISTS (
       SELECT FROM scheduled_packets s WHERE s.packet_id = p.packet_id AND s.state IN ('cancelled', 'returned')))

-- name: late
SELECT format('packet %s: user %s opened at %s, outside its time %s to %s', packet_id, user_id, at_ms,
              coalesce(send_at_ms, created_at_ms),
              expires_at_ms)
FROM claims JOIN packets USING (packet_id)
WHERE at_ms >= expires_at_ms OR at_ms < coalesce(send_at_ms, created_at_ms)

-- name: scheduled
-- A packet for a later time has one row, which says what became of it: it waits and is not told anywhere, or it was
-- posted at its time and not before, or it was never posted and its whole money went back. With several sets the post may
-- be in another one: see `told`.
WITH here AS (
    SELECT coalesce((SELECT value FROM facts WHERE name = 'sets'), 1) > 1 AS several,
           coalesce((SELECT value FROM facts WHERE name = 'set_number'), 0) = 0 AS has_groups
), told AS (
    SELECT packet_id, count(*) AS times, min(at_ms) AS first_ms FROM messages JOIN scheduled_packets USING (packet_id)
    WHERE reminder IS NULL GROUP BY packet_id
)
SELECT format('packet %s is to be sent at %s, its schedule says %s', coalesce(p.packet_id, s.packet_id),
              coalesce(p.send_at_ms::text, 'once'), coalesce(format('%s for %s by user %s', s.state, s.send_at_ms,
                                                                    s.sender_id), 'nothing'))
FROM (SELECT * FROM packets WHERE send_at_ms IS NOT NULL) p FULL JOIN scheduled_packets s USING (packet_id)
WHERE (p.send_at_ms, p.sender_id) IS DISTINCT FROM (s.send_at_ms, s.sender_id)
UNION ALL
SELECT format('packet %s is %s: told %s times, first at %s, %s claims, %s ¤ of %s refunded', s.packet_id, s.state,
              coalesce(t.times, 0), coalesce(t.first_ms::text, 'no time'), p.version, p.refunded_fen, p.total_fen)
FROM scheduled_packets s JOIN packets p USING (packet_id) LEFT JOIN told t USING (packet_id)
WHERE CASE s.state WHEN 'posted' THEN t.first_ms < s.send_at_ms OR (t.times IS NULL AND NOT (
                       (SELECT several FROM here)
                       AND (is_user(coalesce(p.chat_id, p.target_id)) OR NOT (SELECT has_groups FROM here))))
                   WHEN 'waiting' THEN t.times IS NOT NULL OR p.version > 0 OR p.closed_at_ms IS NOT NULL
                   ELSE t.times IS NOT NULL OR p.version > 0
                        OR (p.refunded_fen <> p.total_fen AND (s.state = 'cancelled' OR p.closed_at_ms IS NOT NULL)) END

-- name: allowed
-- $1: the kinds that go to one user, $2: those that friends pass on (see chains). Groups of the kind `signed` have no
-- list of members that could be checked. Of leases of campaigns see `wins`. Groups are in set 0: see `across` for others.
SELECT format('packet %s: user %s opened it, it was for %s', c.packet_id, c.user_id,
              CASE WHEN p.kind = ANY($1::text[]) THEN 'user ' ELSE 'the members of group ' END || p.target_id)
FROM claims c JOIN packets p USING (packet_id)
LEFT JOIN memberships m
    ON p.kind <> ALL($1) AND m.group_id = p.target_id AND m.user_id = c.user_id AND m.joined_at_ms IS NOT NULL
WHERE p.kind <> 'shake' AND p.kind <> ALL($2::text[])
  AND CASE WHEN p.kind = ANY($1) THEN c.user_id <> p.target_id
           ELSE m.user_id IS NULL AND coalesce((SELECT value FROM facts WHERE name = 'set_number'), 0) = 0 END
  AND NOT EXISTS (SELECT FROM packet_groups g JOIN memberships o ON o.group_id = g.group_id AND o.user_id = c.user_id
                  WHERE p.kind <> ALL($1) AND g.packet_id = c.packet_id AND o.joined_at_ms IS NOT NULL)
  AND NOT EXISTS (SELECT FROM groups s WHERE s.kind = 'signed' AND s.group_id = p.target_id)
  AND NOT EXISTS (SELECT FROM packet_groups g JOIN groups s ON s.group_id = g.group_id AND s.kind = 'signed'
                  WHERE g.packet_id = c.packet_id)
UNION ALL
SELECT format('packet %s: user %s opened it, it was for %s other users', packet_id, user_id, cardinality(only_for))
FROM claims JOIN packets USING (packet_id) WHERE user_id <> ALL(only_for)
UNION ALL
SELECT format('packet %s: user %s opened it without its words', packet_id, user_id)
FROM claims JOIN packets USING (packet_id) LEFT JOIN words_said USING (packet_id, user_id)
WHERE words IS NOT NULL AND said_at_ms IS NULL

-- name: chains
-- $1: the kinds that friends pass on. The user who received the packet opens first; each other opener, and each other user who was
-- admitted, came by a link of a user who had opened before, one step deeper than that user.
WITH opened AS (
    SELECT packet_id, index, c.user_id, p.target_id, p.sender_id
    FROM claims c JOIN packets p USING (packet_id) WHERE p.kind = ANY($1::text[])
), steps AS (
    SELECT a.packet_id, a.user_id, a.from_user, a.depth, a.depth_max, p.kind, p.target_id, p.sender_id,
           maker.index AS maker_index, own.index AS own_index,
           CASE WHEN a.from_user = p.target_id THEN 0 ELSE maker_step.depth END AS maker_depth
    FROM admissions a LEFT JOIN packets p USING (packet_id)
    LEFT JOIN claims maker ON maker.packet_id = a.packet_id AND maker.user_id = a.from_user
    LEFT JOIN claims own ON own.packet_id = a.packet_id AND own.user_id = a.user_id
    LEFT JOIN admissions maker_step ON maker_step.packet_id = a.packet_id AND maker_step.user_id = a.from_user
)
SELECT format('packet %s: user %s opened first, it was for user %s', packet_id, user_id, target_id)
FROM opened WHERE index = 0 AND user_id <> target_id
UNION ALL
SELECT format('packet %s: user %s opened it and was not admitted', packet_id, user_id)
FROM opened LEFT JOIN admissions a USING (packet_id, user_id)
WHERE opened.user_id <> target_id AND a.user_id IS NULL
UNION ALL
SELECT format('packet %s: user %s was admitted by user %s, who had %s', packet_id, user_id, from_user,
              CASE WHEN maker_index IS NULL THEN 'not opened it' ELSE 'opened it later' END)
FROM steps WHERE maker_index IS NULL OR maker_index > own_index
UNION ALL
SELECT format('packet %s: user %s is %s steps deep of %s, user %s, who admitted them, is %s', packet_id, user_id, depth,
              depth_max, from_user, coalesce(maker_depth::text, 'not admitted'))
FROM steps WHERE depth IS DISTINCT FROM maker_depth + 1 OR depth > depth_max
UNION ALL
SELECT format('packet %s: user %s was admitted, %s', packet_id, user_id,
              CASE WHEN kind IS NULL THEN 'there is no such packet'
                   WHEN kind <> ALL($1) THEN 'its kind is not passed on'
                   ELSE 'who ' || CASE user_id WHEN sender_id THEN 'sent it' ELSE 'received it' END END)
FROM steps WHERE kind IS NULL OR kind <> ALL($1) OR user_id IN (sender_id, target_id)

-- name: bills
-- $1: the kinds that are sent by bill. A packet has the bill that its key names, with its sponsor, kind, target, shares and
-- amount.
SELECT format('packet %s of %s ¤ in %s shares of kind %s to %s: its bill %s of sponsor %s says %s', packet_id, total_fen,
              p.shares, p.kind, p.target_id, p.key, sender_id,
              coalesce(b.amount_fen || ' ¤ in ' || b.shares || ' of kind ' || b.kind || ' to ' || b.target_id, 'nothing'))
FROM packets p LEFT JOIN bills b ON b.sponsor_id = p.sender_id AND p.key = 'bill:' || b.number
WHERE p.kind = ANY($1::text[])
  AND (p.kind, p.target_id, p.shares, p.total_fen) IS DISTINCT FROM (b.kind, b.target_id, b.shares, b.amount_fen)
UNION ALL
SELECT format('bill %s of sponsor %s names packet %s, which is %s', number, sponsor_id, packet_id, p.kind)
FROM bills b JOIN packets p ON p.sender_id = b.sponsor_id AND p.key = 'bill:' || b.number
WHERE p.kind <> ALL($1) AND b.failed = ''
UNION ALL
SELECT format('bill %s is of user %s, who is no sponsor', number, sponsor_id)
FROM bills WHERE sponsor_id NOT IN (SELECT user_id FROM sponsors)
UNION ALL
SELECT format('bill %s of sponsor %s is for user %s', number, sponsor_id, target_id)
FROM bills WHERE number LIKE 'event.%' AND split_part(number, '.', 3) <> target_id::text

-- name: directions
-- $1, $2, $3: every kind with the types of account that it may run from and to.
WITH allowed AS (
    SELECT * FROM unnest($1::smallint[], $2::text[], $3::text[]) AS a (kind, debit_type, credit_type)
), typed AS (
    SELECT t.*, coalesce(d.type, CASE WHEN e.campaign_id IS NOT NULL THEN 'pool' END, account_type(debit_account)) AS debit_type,
           coalesce(c.type, CASE WHEN f.campaign_id IS NOT NULL THEN 'pool' END, account_type(credit_account)) AS credit_type
    FROM transfers t
    LEFT JOIN accounts d ON d.account_id = t.debit_account LEFT JOIN accounts c ON c.account_id = t.credit_account
    LEFT JOIN campaigns e ON e.campaign_id = t.debit_account LEFT JOIN campaigns f ON f.campaign_id = t.credit_account
)
SELECT format('transfer of kind %s from %s to %s runs the wrong way', kind, debit_account, credit_account)
FROM typed
WHERE amount_fen <= 0
   OR NOT EXISTS (SELECT FROM allowed a WHERE (a.kind, a.debit_type, a.credit_type)
                  = (typed.kind, typed.debit_type, typed.credit_type))

-- name: entries
-- A wallet's entries run from its first version, or from the entry that opened the chain of an older wallet, to the
-- present one without a gap; each says what the wallet held after it, and names transfers of its amount.
WITH counted AS (
    SELECT *, coalesce(cardinality(accounts), 1) AS count FROM entries
), chain AS (
    SELECT *, lag(version) OVER in_order AS version_before, lag(balance_fen) OVER in_order AS fen_before
    FROM counted WINDOW in_order AS (PARTITION BY user_id ORDER BY version)
), newest AS (
    SELECT DISTINCT ON (user_id) user_id, version, balance_fen FROM entries ORDER BY user_id, version DESC
)
SELECT format('entry %s of user %s (%s ¤, then %s) does not follow from %s', version, user_id, change_fen, balance_fen,
              coalesce(format('entry %s (%s ¤)', version_before, fen_before), 'an empty wallet'))
FROM chain
WHERE CASE WHEN version_before IS NOT NULL
           THEN kind = 0 OR version <> version_before + count OR balance_fen <> fen_before + change_fen
           WHEN kind = 0 THEN change_fen <> 0
           ELSE version <> count OR balance_fen <> change_fen END
UNION ALL
SELECT format('entry %s of user %s: its %s transfers do not make %s ¤', version, user_id, count, change_fen)
FROM counted
WHERE (accounts IS NULL) <> (changes_fen IS NULL) OR cardinality(changes_fen) <> count OR count < 1
   OR account <> accounts[count] OR change_fen <> (SELECT sum(fen) FROM unnest(changes_fen) AS fen)
UNION ALL
SELECT format('wallet of user %s holds %s ¤ at version %s, its newest entry says %s', user_id,
              coalesce(w.balance_fen::text, 'no'), coalesce(w.version::text, 'none'),
              coalesce(format('%s at version %s', n.balance_fen, n.version), 'nothing'))
FROM wallets w FULL JOIN newest n USING (user_id)
WHERE w.version IS DISTINCT FROM n.version OR w.balance_fen IS DISTINCT FROM n.balance_fen
UNION ALL
SELECT format('entry %s of user %s: no transfer of kind %s with account %s moved %s ¤', version, user_id, e.kind,
              line.account, line.fen)
FROM entries e CROSS JOIN LATERAL
    unnest(coalesce(accounts, ARRAY[account]), coalesce(changes_fen, ARRAY[change_fen])) AS line (account, fen)
LEFT JOIN transfers t
    ON t.debit_account = CASE WHEN line.fen < 0 THEN user_id ELSE line.account END
   AND t.credit_account = CASE WHEN line.fen < 0 THEN line.account ELSE user_id END
   AND t.kind = e.kind AND t.key = e.key AND t.amount_fen = abs(line.fen)
WHERE e.kind <> 0 AND t.kind IS NULL
UNION ALL
SELECT format('user %s: %s entries name the transfer of kind %s with account %s, key %s', user_id, count(*), kind,
              line.account, key)
FROM entries, unnest(coalesce(accounts, ARRAY[account])) AS line (account)
WHERE kind <> 0 GROUP BY user_id, kind, line.account, key HAVING count(*) > 1

-- name: pending
-- $1, $2, $3: the kinds of a transfer that is pending, and of those that post and void it.
WITH begun AS (SELECT * FROM transfers WHERE kind = $1::smallint
), ended AS (
    SELECT debit_account, credit_account, key, count(*) AS times, max(amount_fen) AS amount_fen
    FROM transfers WHERE kind IN ($2::smallint, $3::smallint) GROUP BY 1, 2, 3
)
SELECT format('pending transfer %s from %s to %s of %s ¤: waiting %s, ended %s times with %s', key, debit_account,
              credit_account, coalesce(b.amount_fen::text, 'no'), coalesce(p.amount_fen::text, 'no'),
              coalesce(e.times, 0), coalesce(e.amount_fen::text, 'none'))
FROM begun b FULL JOIN pending_transfers p USING (debit_account, credit_account, key)
    FULL JOIN ended e USING (debit_account, credit_account, key)
WHERE (p.key IS NULL) = (e.key IS NULL) OR coalesce(e.times, 1) <> 1
   OR b.amount_fen IS DISTINCT FROM coalesce(p.amount_fen, e.amount_fen)
UNION ALL
SELECT format('wallet of user %s keeps %s ¤ back, its pending transfers say %s', user_id, coalesce(pending_fen, 0),
              coalesce(waiting_fen, 0))
FROM wallets w FULL JOIN (SELECT debit_account AS user_id, sum(amount_fen) AS waiting_fen FROM pending_transfers
                          WHERE is_user(debit_account) GROUP BY 1) p USING (user_id)
WHERE coalesce(pending_fen, 0) <> coalesce(waiting_fen, 0)

-- name: payments
-- Every state of a payment has its transfers (9 charge, 10 payout, 11 paid out, 12 returned; 16 refund to a card, 17 returned),
-- and no others have any; so have orders (13 transfer, 14 pay). The version of a payment counts its evidence, the newest of
-- which left it in its state. A charge paid one packet, or says why not; a top-up, which has no content, paid none. A card is
-- one of the payment's user ($1: cards are in this database). A refund gives a charge of the same user and card back, and
-- all of them no more than the charge.
WITH expected (number, kind, debit_account, credit_account, amount_fen) AS (
    SELECT number::text, 9, 0, user_id, amount_fen FROM payments WHERE kind = 'charge' AND state = 'succeeded'
    UNION ALL SELECT number::text, 10, user_id, -2, amount_fen FROM payments WHERE kind = 'payout'
    UNION ALL SELECT number::text, 16, user_id, -2, amount_fen FROM payments WHERE kind = 'refund'
    UNION ALL SELECT number::text, 11, -2, 0, amount_fen FROM payments WHERE kind IN ('payout', 'refund') AND state = 'succeeded'
    UNION ALL SELECT number::text, 12, -2, user_id, amount_fen FROM payments WHERE kind = 'payout' AND state = 'failed'
    UNION ALL SELECT number::text, 17, -2, user_id, amount_fen FROM payments WHERE kind = 'refund' AND state = 'failed'
    UNION ALL SELECT key, kind, user_id, other_id, amount_fen FROM wallet_orders
), booked AS (
    SELECT * FROM transfers WHERE kind BETWEEN 9 AND 14 OR kind IN (16, 17)
), heard AS (
    SELECT number, count(*) AS rows, max(version) AS version FROM payment_evidence GROUP BY number
)
SELECT format('%s %s: its state says %s, the transfer of kind %s from %s to %s moved %s',
              CASE WHEN coalesce(e.kind, b.kind) IN (13, 14) THEN 'order' ELSE 'payment' END, coalesce(e.number, b.key),
              coalesce(e.amount_fen || ' fen', 'nothing'), coalesce(e.kind, b.kind),
              coalesce(e.debit_account, b.debit_account), coalesce(e.credit_account, b.credit_account),
              coalesce(b.amount_fen || ' fen', 'nothing'))
FROM expected e FULL JOIN booked b
    ON b.key = e.number AND b.kind = e.kind AND b.debit_account = e.debit_account AND b.credit_account = e.credit_account
WHERE e.amount_fen IS DISTINCT FROM b.amount_fen
UNION ALL
SELECT format('payment %s is %s at version %s, its evidence says %s at %s (%s rows)', coalesce(p.number, h.number),
              coalesce(p.state, 'not recorded'), p.version, coalesce(v.state, 'nothing'), h.version, coalesce(h.rows, 0))
FROM payments p FULL JOIN heard h USING (number) LEFT JOIN payment_evidence v ON v.number = h.number AND v.version = h.version
WHERE p.version IS DISTINCT FROM coalesce(h.version, 0) OR p.version <> coalesce(h.rows, 0)
   OR p.state IS DISTINCT FROM coalesce(v.state, 'created')
UNION ALL
SELECT format('payment %s paid %s, which is not its packet', number, coalesce('packet ' || p.packet_id, 'no packet'))
FROM payments p LEFT JOIN packets k ON k.packet_id = p.packet_id
WHERE p.kind = 'charge' AND p.state = 'succeeded'
  AND CASE WHEN p.content IS NULL THEN p.packet_id IS NOT NULL OR p.reason <> ''
           WHEN p.packet_id IS NULL THEN p.reason = ''
           ELSE (k.sender_id, k.key, k.total_fen) IS DISTINCT FROM (p.user_id, p.key, p.amount_fen) END
UNION ALL
SELECT format('payment %s of user %s names card %s, which is not the user''s', number, p.user_id, p.card_id)
FROM payments p LEFT JOIN cards c USING (card_id)
WHERE $1::boolean AND p.card_id IS NOT NULL AND (c.user_id, c.gateway) IS DISTINCT FROM (p.user_id, p.gateway)
UNION ALL
SELECT format('payment %s gives back %s, which is no charge of the same user and card that has succeeded', r.number, r.of_number)
FROM payments r LEFT JOIN payments c ON c.number = r.of_number AND c.kind = 'charge' AND c.state = 'succeeded'
WHERE r.kind = 'refund'
  AND (c.user_id, c.gateway, c.card_id, c.account) IS DISTINCT FROM (r.user_id, r.gateway, r.card_id, r.account)
UNION ALL
SELECT format('charge %s of %s fen is given back with %s fen', number, c.amount_fen, given.fen)
FROM (SELECT of_number AS number, sum(amount_fen) AS fen FROM payments WHERE of_number IS NOT NULL AND state <> 'failed'
      GROUP BY 1) AS given JOIN payments c USING (number)
WHERE given.fen > c.amount_fen

-- name: corrections
-- Every transfer of kind 15 is a correction that one user of the system proposed and another one approved, and cites its
-- break, whose difference it does not exceed ($1: breaks are in this database), and neither do all corrections of a break
-- together: what one gives and another one takes back is not counted. Those of another set have their copy here.
WITH approved AS (
    SELECT *, format('break %s correction %s', break_id, correction_id) AS key
    FROM (SELECT * FROM corrections WHERE state = 'approved' UNION ALL SELECT * FROM corrections_of_sets) AS known
), changes AS (
    SELECT break_id, account, sum(fen) AS fen FROM approved,
           LATERAL (VALUES (credit_account, amount_fen), (debit_account, -amount_fen)) AS a (account, fen)
    GROUP BY 1, 2
), together AS (
    SELECT break_id, sum(fen) AS fen FROM changes WHERE fen > 0 GROUP BY 1
)
SELECT format('correction %s: %s ¤ from %s to %s were approved, the transfer %s moved %s ¤', coalesce(a.correction_id::text, 'none'),
              coalesce(a.amount_fen, 0), coalesce(a.debit_account, t.debit_account), coalesce(a.credit_account, t.credit_account),
              coalesce(t.key, a.key), coalesce(t.amount_fen, 0))
FROM approved a FULL JOIN (SELECT * FROM transfers WHERE kind = 15) t
    ON (t.debit_account, t.credit_account, t.key, t.amount_fen) = (a.debit_account, a.credit_account, a.key, a.amount_fen)
WHERE a.key IS NULL OR t.key IS NULL
UNION ALL
SELECT format('correction %s was approved by the user of the system who proposed it (%s)', correction_id, proposed_uid)
FROM approved WHERE decided_uid IS NULL OR decided_uid = proposed_uid
UNION ALL
SELECT format('correction %s moved %s ¤, break %s is a difference of %s ¤', correction_id, amount_fen, a.break_id,
              coalesce(b.difference_fen, 0))
FROM approved a LEFT JOIN payment_breaks b USING (break_id)
WHERE $1::boolean AND (b.break_id IS NULL OR a.amount_fen > b.difference_fen)
UNION ALL
SELECT format('corrections of break %s moved %s ¤ together, it is a difference of %s ¤', break_id, fen, difference_fen)
FROM together JOIN payment_breaks b USING (break_id)
WHERE $1 AND fen > difference_fen
  AND NOT EXISTS (SELECT FROM approved a WHERE a.break_id = b.break_id AND a.amount_fen > b.difference_fen)

-- name: posts
-- Every refund that has an entry is told in one post to the sender, every finish in one to the sender and to the groups.
-- The claims of a packet are told to the sender in the order of their indexes, each in one post, at the latest after the
-- row of the outbox that its credit has left. Packets before the first one that has all its claims in posts may lack some.
WITH waiting AS (
    SELECT stream_id, reminder, packet_id FROM outbox, unnest(packet_ids) AS packet_id
), told AS (
    SELECT stream_id, reminder, packet_id, count(*) AS times
    FROM (SELECT stream_id, reminder, packet_id FROM messages WHERE reminder IN (2, 3)
          UNION ALL SELECT * FROM waiting WHERE reminder IN (2, 3)) AS posts
    GROUP BY 1, 2, 3
), moves AS (
    SELECT user_id, kind, packet_id
    FROM entries, unnest(coalesce(accounts, ARRAY[account])) AS packet_id WHERE kind IN (4, 5)
), credits AS (
    SELECT p.sender_id, coalesce(p.chat_id, p.target_id) AS told_in, p.packet_id, m.user_id, c.index, c.index = p.shares - 1 AS is_last
    FROM moves m JOIN packets p USING (packet_id) JOIN claims c USING (packet_id, user_id)
    WHERE m.kind = 4 AND p.kind <> 'shake'
    UNION ALL
    SELECT p.sender_id, coalesce(p.chat_id, p.target_id), p.packet_id, c.user_id, c.index, c.index = p.shares - 1
    FROM transfers t JOIN packets p ON p.packet_id = t.debit_account
    JOIN claims c ON c.packet_id = p.packet_id AND c.user_id = t.key::bigint
    WHERE t.kind = 22 AND p.kind <> 'shake'
), here AS (
    SELECT coalesce((SELECT value FROM facts WHERE name = 'sets'), 1) AS sets,
           coalesce((SELECT value FROM facts WHERE name = 'set_number'), 0) AS number,
           (SELECT value FROM facts WHERE name = 'first_id') AS first_id
), due (stream_id, reminder, packet_id) AS (
    SELECT sender_id, 2, packet_id FROM credits WHERE is_last
    UNION ALL SELECT told_in, 2, packet_id FROM credits
              WHERE is_last AND NOT is_user(told_in) AND (SELECT number FROM here) = 0
    UNION ALL SELECT user_id, 3, packet_id FROM moves WHERE kind = 5
), ranges AS (
    SELECT stream_id, packet_id, message, first_index, end_index,
           lag(end_index) OVER (PARTITION BY packet_id ORDER BY message) AS end_before
    FROM messages WHERE reminder = 1
), known AS (
    SELECT packet_id, max(end_index) AS claims FROM ranges GROUP BY packet_id
), whole AS (
    SELECT packet_id FROM packets WHERE packet_id >= (SELECT value FROM facts WHERE name = 'first_posted_packet')
)
SELECT format('packet %s: its %s was told %s times in stream %s', packet_id,
              CASE reminder WHEN 2 THEN 'finish' ELSE 'refund' END, coalesce(times, 0), stream_id)
FROM due LEFT JOIN told USING (stream_id, reminder, packet_id)
WHERE coalesce(times, 0) <> 1
UNION ALL
SELECT format('packet %s: a post of its %s is not due in stream %s, or was made %s times', packet_id,
              CASE reminder WHEN 2 THEN 'finish' ELSE 'refund' END, stream_id, times)
FROM told LEFT JOIN due USING (stream_id, reminder, packet_id)
WHERE due.packet_id IS NULL AND ((SELECT sets FROM here) = 1 OR (SELECT number FROM here)
        = CASE WHEN packet_id < (SELECT first_id FROM here) THEN 0 ELSE packet_id >> 16 & 63 END)
  AND (times > 1 OR reminder = 3 OR is_user(stream_id) OR NOT EXISTS (
    SELECT FROM packet_groups g WHERE g.packet_id = told.packet_id AND g.group_id = told.stream_id))
UNION ALL
SELECT format('packet %s: message %s of stream %s tells claims %s to %s after %s', packet_id, message, stream_id,
              first_index, end_index, coalesce(end_before, 0))
FROM ranges r LEFT JOIN packets p USING (packet_id) LEFT JOIN whole w USING (packet_id)
WHERE stream_id IS DISTINCT FROM p.sender_id OR end_index IS NULL OR end_index > p.version
   OR (w.packet_id IS NOT NULL AND first_index <> coalesce(end_before, 0))
UNION ALL
SELECT format('packet %s: %s claims were posted, the posts tell %s', packet_id, b.claims, coalesce(known.claims, 0))
FROM posted_claims b JOIN whole USING (packet_id) LEFT JOIN known USING (packet_id)
WHERE b.claims IS DISTINCT FROM known.claims
UNION ALL
SELECT format('packet %s: the claim of user %s was credited and is told nowhere', packet_id, user_id)
FROM credits c JOIN whole USING (packet_id) LEFT JOIN known k USING (packet_id)
WHERE index >= coalesce(k.claims, 0)
  AND NOT EXISTS (SELECT FROM waiting w WHERE w.packet_id = c.packet_id AND w.stream_id = c.sender_id)
  AND NOT EXISTS (
      SELECT FROM packets p WHERE p.packet_id = c.packet_id AND p.version = p.shares
          AND EXISTS (SELECT FROM settlement_queue q WHERE q.packet_id = p.packet_id AND q.index = p.shares - 1))

-- name: records
-- $1: the kinds that have a best luck. With several sets a user's best lucks are those that the sets of the packets told.
WITH here AS (
    SELECT coalesce((SELECT value FROM facts WHERE name = 'sets'), 1) AS sets,
           coalesce((SELECT value FROM facts WHERE name = 'set_number'), 0) AS number,
           (SELECT value FROM facts WHERE name = 'first_id') AS first_id
), credited AS (
    SELECT c.user_id, c.at_ms, c.packet_id, t.amount_fen
    FROM transfers t JOIN claims c ON c.packet_id = t.debit_account AND c.user_id = t.credit_account
    WHERE t.kind = 4
    UNION ALL
    SELECT t.credit_account, r.at_ms, t.debit_account, t.amount_fen
    FROM transfers t LEFT JOIN received r ON r.user_id = t.credit_account AND r.packet_id = t.debit_account
    WHERE t.kind = 4 AND (SELECT sets FROM here) > 1 AND (SELECT number FROM here)
        <> CASE WHEN debit_account < (SELECT first_id FROM here) THEN 0 ELSE debit_account >> 16 & 63 END
), luckiest AS (
    SELECT DISTINCT ON (packet_id) packet_id, user_id, at_ms
    FROM packets p JOIN claims c USING (packet_id)
    WHERE p.kind = ANY($1::text[]) AND p.version = p.shares
    ORDER BY packet_id, amount_fen DESC, index
), changes (user_id, year, sent, sent_fen, received, received_fen, best_lucks) AS (
    SELECT sender_id, beijing_year(created_at_ms), 1, total_fen, 0, 0, 0 FROM packets WHERE kind <> 'shake'
    UNION ALL SELECT user_id, beijing_year(at_ms), 0, 0, 1, amount_fen, 0 FROM credited
    UNION ALL SELECT c.user_id, beijing_year(c.at_ms), 0, 0, 0, 0, 1
              FROM best_lucks b JOIN claims c USING (packet_id, user_id) WHERE (SELECT sets FROM here) = 1
    UNION ALL SELECT stream_id, beijing_year(at_ms), 0, 0, 0, 0, 1
              FROM told_by_sets WHERE topic = 5 AND (SELECT sets FROM here) > 1
), counted AS (
    SELECT user_id, year, (sum(sent), sum(sent_fen), sum(received), sum(received_fen), sum(best_lucks))::text AS right_ones
    FROM changes GROUP BY user_id, year
), told AS (
    SELECT user_id, year, (sent_count, sent_fen, received_count, received_fen, best_lucks)::text AS totals FROM years
)
SELECT format('records of user %s in %s say %s, the books %s (sent, ¤, received, ¤, best lucks)', user_id, year,
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
-- known with the credit of the last claim
SELECT format('packet %s: best luck is %s, the claims say %s', packet_id, coalesce('user ' || b.user_id, 'nobody'),
              coalesce('user ' || l.user_id, 'nobody'))
FROM best_lucks b FULL JOIN luckiest l USING (packet_id)
WHERE b.user_id IS DISTINCT FROM l.user_id
  AND (b.user_id IS NOT NULL OR packet_id NOT IN (SELECT packet_id FROM settlement_queue))

-- name: sums
-- $1: the kinds that move nothing.
SELECT (SELECT count(*) FROM packets) AS packets,
       (SELECT count(*) FROM claims) AS claims,
       (SELECT count(*) FROM transfers) AS transfers,
       (SELECT count(*) FROM wallets) AS wallets,
       (SELECT coalesce(sum(balance_fen), 0)::bigint FROM wallets) AS wallets_fen,
       (SELECT coalesce(sum(total_fen - refunded_fen), 0)::bigint FROM packets)
           - (SELECT coalesce(sum(amount_fen), 0)::bigint FROM transfers WHERE kind IN (4, 22)) AS in_packets_fen,
       (SELECT coalesce(sum(amount_fen), 0)::bigint FROM transfers
        WHERE debit_account = 0 AND kind <> ALL($1::smallint[])) AS put_in_fen,
       (SELECT coalesce(sum(amount_fen), 0)::bigint FROM transfers
        WHERE credit_account = 0 AND kind <> ALL($1)) AS taken_out_fen,
       (SELECT coalesce(sum(CASE WHEN credit_account < 0 THEN amount_fen ELSE 0 END
                            - CASE WHEN debit_account < 0 THEN amount_fen ELSE 0 END), 0)::bigint FROM transfers
        WHERE (debit_account < 0 OR credit_account < 0) AND kind <> ALL($1)) AS in_transit_fen,
       (SELECT count(*) FROM settlement_queue) AS waiting_claims,
       (SELECT coalesce(sum(amount_fen), 0)::bigint FROM settlement_queue) AS waiting_fen,
       (SELECT coalesce(sum(total_fen - claimed_fen - refunded_fen), 0)::bigint FROM packets) AS unopened_fen,
       (SELECT coalesce(sum(total_fen), 0)::bigint FROM packets) AS funded_fen,
       (SELECT coalesce(sum(amount_fen), 0)::bigint FROM claims) AS claimed_fen,
       (SELECT coalesce(sum(amount_fen) FILTER (WHERE kind = 5), 0)::bigint FROM transfers) AS refunded_fen,
       (SELECT coalesce(sum(budget_fen - returned_fen), 0)::bigint FROM campaigns)
           - (SELECT coalesce(sum(total_fen - refunded_fen), 0)::bigint FROM packets WHERE kind = 'shake') AS in_pools_fen

-- name: packets
-- With the tree of the server seed, and a row for each claim; one with nulls if there is none.
SELECT p.packet_id, p.sender_id, p.key, p.kind, p.target_id, p.total_fen, p.shares, p.share_fen_min, p.share_fen_max,
       p.greeting, p.seed, p.created_at_ms, p.expires_at_ms, p.seed_index, p.client_seed, p.commitment,
       t.sealed, t.key_id, c.index, c.user_id, c.amount_fen, c.at_ms
FROM packets p
LEFT JOIN seed_trees t ON t.user_id = p.sender_id AND t.number = p.seed_index / 64
LEFT JOIN claims c ON c.packet_id = p.packet_id
ORDER BY p.packet_id, c.index

-- name: trees
-- With the server seeds that are revealed: of packets that are over.
SELECT t.user_id, t.number, t.root, t.sealed, t.key_id, t.created_at_ms, coalesce(p.indexes, ARRAY[]::bigint[]) AS indexes
FROM seed_trees t LEFT JOIN (
    SELECT sender_id AS user_id, seed_index / 64 AS number, array_agg(seed_index) AS indexes
    FROM (SELECT sender_id, seed_index FROM packets WHERE seed_index IS NOT NULL AND closed_at_ms IS NOT NULL
          UNION ALL SELECT sponsor_id, seed_index FROM campaigns WHERE closed_at_ms IS NOT NULL) AS over
    GROUP BY 1, 2
) AS p USING (user_id, number)

-- name: seeds
-- The packets of a sender use the server seeds one after the other, from the beginning of an epoch; only a newer epoch
-- may leave some out. A packet has a seed of its own or all that replaces it.
WITH used AS (
    SELECT packet_id, sender_id, seed_index, lag(seed_index) OVER (PARTITION BY sender_id ORDER BY seed_index) AS before
    FROM (SELECT packet_id, sender_id, seed_index FROM packets WHERE seed_index IS NOT NULL
          UNION ALL SELECT campaign_id, sponsor_id, seed_index FROM campaigns) AS both_kinds
), last AS (
    SELECT sender_id AS user_id, max(seed_index) + 1 AS next_seed FROM used GROUP BY 1
)
SELECT format('packet %s of user %s uses seed %s after %s', packet_id, sender_id, seed_index,
              coalesce(before::text, 'none'))
FROM used
WHERE before = seed_index
   OR (seed_index IS DISTINCT FROM before + 1
       AND NOT EXISTS (SELECT FROM seed_epochs WHERE first_index = seed_index))
UNION ALL
SELECT format('wallet of user %s has seed %s next, its packets say %s', user_id, coalesce(w.next_seed, 0),
              coalesce(l.next_seed, 0))
FROM wallets w FULL JOIN last l USING (user_id)
WHERE coalesce(w.next_seed, 0) <> coalesce(l.next_seed, 0)
UNION ALL
SELECT format('packet %s uses seed %s of user %s, whose tree is not recorded', packet_id, seed_index, sender_id)
FROM used LEFT JOIN seed_trees t ON t.user_id = sender_id AND t.number = seed_index / 64
WHERE t.user_id IS NULL
UNION ALL
SELECT format('packet %s has %s', packet_id,
              CASE WHEN seed IS NULL THEN 'no seed and not all that replaces it' ELSE 'its seed in plain' END)
FROM packets
WHERE CASE WHEN seed IS NULL
           THEN num_nulls(seed_index, client_seed, commitment) > 0 OR length(commitment) <> 32
                OR length(client_seed) NOT BETWEEN 16 AND 32 AND length(client_seed) > 0
           ELSE num_nonnulls(seed_index, client_seed, commitment) > 0 END
  AND NOT (kind = 'shake' AND num_nonnulls(seed, seed_index, client_seed, commitment) = 0)

-- name: pools
-- A sponsor paid once for each campaign (18). Each lease got its total from the pool of its campaign (19) and brought back what
-- was not won (20). A campaign that is closed paid back, once, all that was not won (21), so its pool is empty.
WITH expected (kind, debit_account, credit_account, amount_fen) AS (
    SELECT 18, sponsor_id, campaign_id, budget_fen FROM campaigns
    UNION ALL SELECT 19, target_id, packet_id, total_fen FROM packets WHERE kind = 'shake'
    UNION ALL SELECT 20, packet_id, target_id, refunded_fen FROM packets WHERE kind = 'shake' AND refunded_fen > 0
    UNION ALL SELECT 21, campaign_id, sponsor_id, returned_fen FROM campaigns WHERE returned_fen > 0
), booked AS (
    SELECT * FROM transfers WHERE kind BETWEEN 18 AND 21
), won AS (
    SELECT target_id AS campaign_id, sum(claimed_fen) AS fen, count(*) FILTER (WHERE closed_at_ms IS NULL) AS open
    FROM packets WHERE kind = 'shake' GROUP BY 1
)
SELECT format('pool: a transfer of kind %s from %s to %s moved %s, the records say %s', coalesce(e.kind, b.kind),
              coalesce(e.debit_account, b.debit_account), coalesce(e.credit_account, b.credit_account),
              coalesce(b.amount_fen || ' ¤', 'nothing'), coalesce(e.amount_fen || ' ¤', 'nothing'))
FROM expected e FULL JOIN booked b USING (kind, debit_account, credit_account)
WHERE e.amount_fen IS DISTINCT FROM b.amount_fen
UNION ALL
SELECT format('campaign %s: its budget is %s ¤, %s ¤ were won and %s ¤ returned, with %s open leases', campaign_id, budget_fen,
              coalesce(w.fen, 0), returned_fen, coalesce(w.open, 0))
FROM campaigns c LEFT JOIN won w USING (campaign_id)
WHERE CASE WHEN closed_at_ms IS NULL THEN returned_fen <> 0
           ELSE returned_fen <> budget_fen - coalesce(w.fen, 0) OR coalesce(w.open, 0) <> 0 END

-- name: leases
-- Each lease is a packet of its campaign, with as many shares as numbers. Closed, it says how many were not won; another lease
-- got these, or none. So every number is leased to one packet, and leased = won + returned + open.
WITH kept AS (
    SELECT campaign_id, packet_id, first_number, first_number + numbers - coalesce(rest, 0) AS end_number
    FROM leases WHERE numbers > coalesce(rest, 0)
), before AS (
    SELECT *, max(end_number) OVER (PARTITION BY campaign_id ORDER BY first_number, packet_id
                                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS end_before
    FROM kept
), counted AS (
    SELECT campaign_id, sum(numbers - CASE WHEN rest_lease IS NULL THEN 0 ELSE rest END) AS leased, max(first_number + numbers) AS last
    FROM leases GROUP BY 1
)
SELECT format('lease %s: numbers from %s of campaign %s belong to another lease, too', packet_id, first_number, campaign_id)
FROM before WHERE first_number < end_before
UNION ALL
SELECT format('lease %s: %s numbers of campaign %s, its packet has %s shares of campaign %s', coalesce(l.packet_id, p.packet_id),
              coalesce(l.numbers, 0), coalesce(l.campaign_id, 0), coalesce(p.shares, 0), coalesce(p.target_id, 0))
FROM leases l FULL JOIN (SELECT * FROM packets WHERE kind = 'shake') p USING (packet_id)
LEFT JOIN campaigns c ON c.campaign_id = l.campaign_id
WHERE (l.numbers, l.campaign_id, c.sponsor_id) IS DISTINCT FROM (p.shares, p.target_id, p.sender_id)
UNION ALL
SELECT format('lease %s: %s of its %s numbers were won, its rest is %s', packet_id, version, numbers, coalesce(rest::text, 'open'))
FROM leases JOIN packets p USING (packet_id)
WHERE (leases.closed_at_ms IS NULL) <> (p.closed_at_ms IS NULL) OR rest <> numbers - version
UNION ALL
SELECT format('lease %s: its rest of %s numbers went to lease %s, which has %s from %s on', l.packet_id, l.rest, l.rest_lease,
              coalesce(n.numbers, 0), coalesce(n.first_number, 0))
FROM leases l LEFT JOIN leases n ON n.packet_id = l.rest_lease
WHERE l.rest_lease IS NOT NULL AND (n.campaign_id, n.first_number, n.numbers)
      IS DISTINCT FROM (l.campaign_id, l.first_number + l.numbers - l.rest, l.rest)
UNION ALL
SELECT format('campaign %s: numbers up to %s were leased, its leases have %s', campaign_id, next_number, coalesce(leased, 0))
FROM campaigns LEFT JOIN counted USING (campaign_id)
WHERE next_number <> coalesce(leased, 0) OR coalesce(last, 0) > next_number

-- name: wins
-- Every claim of a lease is one win of its user, and no user has more than the campaign allows. Winners of a campaign for a
-- group were its members (of groups without a member list: not checked), those of one for users with an event had been reported.
WITH shares AS (
    SELECT l.campaign_id, c.user_id, packet_id, index FROM leases l JOIN claims c USING (packet_id)
)
SELECT format('packet %s, share %s: %s claims of user %s, %s wins of user %s', packet_id, index, count(s.user_id),
              coalesce(min(s.user_id)::text, 'none'), count(w.user_id), coalesce(min(w.user_id)::text, 'none'))
FROM shares s FULL JOIN wins w USING (packet_id, index)
GROUP BY packet_id, index
HAVING count(s.user_id) <> 1 OR count(w.user_id) <> 1
    OR (min(s.user_id), min(s.campaign_id)) IS DISTINCT FROM (min(w.user_id), min(w.campaign_id))
UNION ALL
SELECT format('campaign %s: user %s has won %s shares, allowed are %s', campaign_id, user_id, count(*), min(per_user_limit))
FROM wins JOIN campaigns USING (campaign_id) GROUP BY campaign_id, user_id HAVING count(*) > min(per_user_limit)
UNION ALL
SELECT format('campaign %s: user %s has won, it was for the members of group %s', campaign_id, w.user_id, g.group_id)
FROM wins w JOIN campaigns USING (campaign_id) JOIN groups g USING (group_id)
LEFT JOIN memberships m ON m.group_id = g.group_id AND m.user_id = w.user_id AND m.joined_at_ms IS NOT NULL
WHERE g.kind <> 'signed' AND m.user_id IS NULL
UNION ALL
SELECT format('campaign %s: user %s has won, and no event %s of sponsor %s was reported', campaign_id, w.user_id,
              c.event_kind, c.sponsor_id)
FROM wins w JOIN campaigns c USING (campaign_id)
LEFT JOIN reported_users r ON r.sponsor_id = c.sponsor_id AND r.kind = c.event_kind AND r.user_id = w.user_id
WHERE c.event_kind <> '' AND r.user_id IS NULL

-- name: campaigns
-- With the tree of the server seed, and its leases; one with nulls if there is none.
SELECT campaign_id, sponsor_id, ''::text AS sponsor_name, c.key, c.name, greeting, cover, group_id, highlighted, shares, budget_fen,
       share_fen_min, share_fen_max, per_user_limit, deck, seed_index, client_seed, commitment, c.created_at_ms, starts_at_ms,
       ends_at_ms, t.sealed, t.key_id
FROM campaigns c LEFT JOIN seed_trees t ON t.user_id = c.sponsor_id AND t.number = c.seed_index / 64
ORDER BY campaign_id

-- name: won_numbers
-- $1: a campaign. Every share that was won of it, with its number in the pool, and what its lease was worth.
SELECT packet_id, first_number, numbers, total_fen, coalesce(rest, 0),
       ARRAY(SELECT amount_fen FROM claims c WHERE c.packet_id = l.packet_id ORDER BY index) AS amounts
FROM leases l JOIN packets p USING (packet_id) WHERE campaign_id = $1 ORDER BY first_number, packet_id
