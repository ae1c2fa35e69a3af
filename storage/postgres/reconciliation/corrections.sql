-- name: get
SELECT * FROM corrections WHERE correction_id = $1

-- name: newest
SELECT * FROM corrections WHERE ($1::bigint = 0 OR break_id = $1) ORDER BY correction_id DESC LIMIT $2

-- name: find_break
SELECT closed_at_ms IS NOT NULL AS is_closed, difference_fen FROM payment_breaks WHERE break_id = $1

-- name: lock_break
-- So that it is neither closed nor changed, and no other correction of it is decided, before this transaction ends.
SELECT closed_at_ms IS NOT NULL AS is_closed, difference_fen FROM payment_breaks WHERE break_id = $1 FOR NO KEY UPDATE

-- name: moved
-- By how much the corrections of a break that were approved, besides $2, have changed each account. Asked after the lock.
SELECT account, sum(fen)::bigint AS fen FROM (
    SELECT credit_account AS account, amount_fen AS fen FROM corrections
    WHERE break_id = $1 AND correction_id <> $2 AND state = 'approved'
    UNION ALL
    SELECT debit_account, -amount_fen FROM corrections WHERE break_id = $1 AND correction_id <> $2 AND state = 'approved'
) AS changes GROUP BY account

-- name: propose
INSERT INTO corrections (break_id, debit_account, credit_account, amount_fen, proposed_uid, proposed_at_ms)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING *

-- name: decide
-- The one statement that decides: once, also if two users decide at the same time. The proposer does not approve.
UPDATE corrections SET state = $2, decided_uid = $3, decided_at_ms = $4, reason = $5
WHERE correction_id = $1 AND state = 'proposed' AND ($2 <> 'approved' OR proposed_uid <> $3) RETURNING *

-- name: is_known
SELECT EXISTS (SELECT FROM users WHERE user_id = $1)

-- name: balance
-- What an account holds; of accounts of the system what corrections have put there, and what is in transit.
-- Null of the outside.
SELECT CASE WHEN $1::bigint = 0 THEN NULL
            WHEN is_user($1) THEN coalesce((SELECT balance_fen FROM wallets WHERE user_id = $1), 0)
            ELSE (SELECT coalesce(sum(CASE $1 WHEN credit_account THEN amount_fen ELSE -amount_fen END), 0)
                  FROM corrections WHERE state = 'approved' AND $1 IN (credit_account, debit_account))::bigint
                 + (SELECT coalesce(sum(amount_fen), 0) FROM payments
                    WHERE $1 = -2 AND kind <> 'charge' AND state IN ('created', 'submitted', 'unknown'))::bigint END
