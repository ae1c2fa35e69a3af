-- name: of_send
SELECT * FROM payments WHERE kind = 'charge' AND user_id = $1 AND key = $2

-- name: get
SELECT * FROM payments WHERE number = $1

-- name: create_charge
INSERT INTO payments (number, gateway, kind, user_id, amount_fen, key, content, next_try_ms, created_at_ms, changed_at_ms)
VALUES ($1, $2, 'charge', $3, $4, $5, $6, $7, $8, $8)
ON CONFLICT (user_id, key) WHERE kind = 'charge' DO NOTHING
RETURNING *

-- name: create_payouts
INSERT INTO payments (number, gateway, kind, user_id, amount_fen, next_try_ms, created_at_ms, changed_at_ms)
SELECT number, $4, 'payout', user_id, amount_fen, $5, $5, $5
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS a (number, user_id, amount_fen)
RETURNING *

-- name: held
-- Users who get no payout now: one is open, or one has failed lately. What users withdraw has a key. A sponsor gets none: its
-- wallet pays for campaigns, and the chat backend takes out what is left.
SELECT user_id FROM payments
WHERE kind = 'payout' AND key IS NULL AND state IN ('created', 'submitted', 'unknown') AND user_id = ANY($1::bigint[])
UNION
SELECT user_id FROM payments
WHERE kind = 'payout' AND key IS NULL AND state = 'failed' AND user_id = ANY($1) AND changed_at_ms > $2
UNION
SELECT user_id FROM sponsors WHERE user_id = ANY($1)

-- name: page_of_wallets
-- $2 wallets after a user, whatever is in them; with how much could be paid out.
SELECT user_id, balance_fen - pending_fen AS free_fen FROM wallets WHERE user_id > $1 ORDER BY user_id LIMIT $2

-- name: due
SELECT * FROM payments
WHERE state IN ('created', 'submitted', 'unknown') AND next_try_ms <= $1 AND number <> ALL($2::bigint[])
  AND gateway = $4
ORDER BY next_try_ms LIMIT $3

-- name: advance
-- The one statement that changes a payment: only from the version that the change was decided on, and with the evidence.
WITH changed AS (
    UPDATE payments
    SET state = $3, version = version + 1, attempts = attempts + $4, next_try_ms = $5, changed_at_ms = $6, reason = $7
    WHERE number = $1 AND version = $2
    RETURNING *
), noted AS (
    INSERT INTO payment_evidence (number, version, at_ms, source, verdict, detail, state)
    SELECT number, version, $6, $8, $9, $10, $3 FROM changed
)
SELECT * FROM changed

-- name: insert_break
-- Once while it is open: evidence may come again, and each break allows corrections of its difference. $5: what the books
-- differ in; null if the evidence names another order, and then the same words are the same break.
INSERT INTO payment_breaks (number, version, at_ms, due_at_ms, detail, difference_fen)
SELECT $1::bigint, $2::bigint, $3::bigint, $3, $4::text, $5::bigint
WHERE NOT EXISTS (
    SELECT FROM payment_breaks
    WHERE number = $1 AND class = 'contradiction' AND closed_at_ms IS NULL
      AND CASE WHEN $5 IS NULL THEN detail = $4 ELSE difference_fen = $5 END)

-- name: conclude_charge
UPDATE payments SET packet_id = $2, reason = $3 WHERE number = $1 RETURNING *

-- name: evidence
SELECT version, at_ms, source, verdict, detail, state,
       EXISTS (SELECT FROM payment_breaks b WHERE (b.number, b.version) = (e.number, e.version)) AS is_break
FROM payment_evidence e WHERE number = $1 ORDER BY version

-- name: newest
SELECT * FROM payments
WHERE ($1::bigint = 0 OR user_id = $1) AND ($2::text = '' OR state = $2)
ORDER BY number DESC LIMIT $3

-- name: figures
-- Open payments by kind and state with the time of the oldest, and how many open contradictions there are.
SELECT kind, state, count(*) AS payments, min(created_at_ms) FILTER (WHERE gateway <> ALL($1::text[])) AS oldest_ms
FROM payments
WHERE state IN ('created', 'submitted', 'unknown') GROUP BY kind, state
UNION ALL
SELECT '', 'break', count(*), min(at_ms) FROM payment_breaks WHERE class = 'contradiction' AND closed_at_ms IS NULL

-- name: without_gateway
SELECT gateway, count(*) AS payments FROM payments
WHERE state IN ('created', 'submitted', 'unknown') AND gateway <> ALL($1::text[])
GROUP BY gateway
