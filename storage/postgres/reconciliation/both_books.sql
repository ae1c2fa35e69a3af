-- name: payments
-- $1 gateway; those that may stand in a statement between $2 and $3 (ms), and those with the numbers $4; of the numbers
-- after $5 up to $6.
SELECT number, kind, account, amount_fen, state, created_at_ms, changed_at_ms FROM payments
WHERE gateway = $1 AND number > $5 AND number <= $6
  AND (created_at_ms < $3 AND (changed_at_ms >= $2 OR state NOT IN ('succeeded', 'failed'))
       OR number = ANY($4::bigint[]))
ORDER BY number

-- name: statement
SELECT statement_id, sha256, is_current FROM statements WHERE gateway = $1 AND day = $2 AND issue = $3

-- name: stored_rows
SELECT line, bank_ref, number, kind, account, amount_fen, state, floor(extract(epoch FROM at) * 1000)::bigint AS at_ms
FROM statement_rows WHERE statement_id = $1 ORDER BY line

-- name: breaks
-- The newest break of each of the subjects $3, each of the class at its place in $2.
SELECT DISTINCT ON (class, subject) break_id, class, subject, day, closed_at_ms IS NOT NULL AS is_closed, closed_uid, reason
FROM payment_breaks JOIN unnest($2::text[], $3::text[]) AS asked (class, subject) USING (class, subject)
WHERE gateway = $1 AND class <> 'contradiction'
ORDER BY class, subject, break_id DESC

-- name: open_breaks
SELECT break_id, class, subject, day, false AS is_closed, closed_uid, reason FROM payment_breaks
WHERE gateway = $1 AND class = ANY($2::text[]) AND day = ANY($3::date[]) AND closed_at_ms IS NULL
ORDER BY lpad(subject, 20, '0') COLLATE "C", class

-- name: export
-- With what the transfers of a payment say that it has moved to or from the outside.
SELECT p.number, p.gateway, p.kind, p.user_id, p.account, p.amount_fen, p.state, p.created_at_ms, p.changed_at_ms,
       (SELECT coalesce(sum(t.amount_fen), 0)::bigint FROM transfers t
        WHERE t.key = p.number::text
          AND (t.debit_account, t.credit_account, t.kind) IN ((0, p.user_id, 9), (-2, 0, 11))) AS booked_fen
FROM payments p
WHERE ($1::text = '' OR p.gateway = $1) AND p.created_at_ms < $3
  AND (p.changed_at_ms >= $2 OR p.state NOT IN ('succeeded', 'failed'))
ORDER BY p.number
