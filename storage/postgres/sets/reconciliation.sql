-- name: day
SELECT day FROM statements WHERE statement_id = $1

-- name: open
-- In another set. Payments of a gateway that have not ended.
SELECT number, gateway, kind, account, amount_fen, state, created_at_ms, changed_at_ms FROM payments
WHERE gateway = $1 AND state IN ('created', 'submitted', 'unknown')

-- name: of_day
-- In another set. Those that the statement of day $2 should have, as `candidates` of the match; clocks differ by $3 ms.
SELECT number, gateway, kind, account, amount_fen, state, created_at_ms, changed_at_ms FROM payments
WHERE gateway = $1 AND state = 'succeeded'
  AND changed_at_ms >= beijing_day_ms($2::date) - $3::bigint AND created_at_ms < beijing_day_ms($2 + 1) + $3

-- name: of_numbers
-- In another set.
SELECT number, gateway, kind, account, amount_fen, state, created_at_ms, changed_at_ms FROM payments
WHERE gateway = $1 AND number = ANY($2::bigint[])

-- name: numbers
-- Payments of set $4 that a match of statement $2 may look at: those that rows of it name, or rows with a reference of
-- it or of an open break, and those of open breaks. $3: the first id that has a set in it.
WITH breaks AS (
    SELECT number, bank_ref FROM payment_breaks
    WHERE gateway = $1 AND class <> 'contradiction' AND closed_at_ms IS NULL
), refs AS (
    SELECT bank_ref FROM statement_rows WHERE statement_id = $2 UNION SELECT bank_ref FROM breaks
)
SELECT number FROM (
    SELECT payment AS number FROM statement_rows WHERE statement_id = $2
    UNION SELECT payment FROM refs JOIN statement_rows USING (bank_ref)
    UNION SELECT number FROM breaks
) AS named WHERE number >= $3 AND number >> 16 & 63 = $4

-- name: put
INSERT INTO payments_of_sets
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[])
ON CONFLICT DO NOTHING

-- name: let_go
DELETE FROM payments_of_sets

-- name: approved
SELECT break_id, count(*) AS times FROM corrections WHERE break_id = ANY($1) AND state = 'approved' GROUP BY 1
