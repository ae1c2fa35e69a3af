-- name: keep_back
UPDATE wallets SET pending_fen = pending_fen + $2 WHERE user_id = $1 AND balance_fen - pending_fen >= $2 RETURNING 1

-- name: begin
INSERT INTO pending_transfers (debit_account, credit_account, key, amount_fen) VALUES ($1, $2, $3, $4)

-- name: end
DELETE FROM pending_transfers WHERE debit_account = $1 AND credit_account = $2 AND key = $3 RETURNING amount_fen

-- name: transfer
INSERT INTO transfers (debit_account, credit_account, kind, key, amount_fen, at_ms)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING 1

-- name: before
SELECT amount_fen FROM transfers WHERE debit_account = $1 AND credit_account = $2 AND kind = $3 AND key = $4

-- name: post
-- The money leaves the wallet, with the entry of the transfer that posts it.
WITH paid AS (
    UPDATE wallets SET balance_fen = balance_fen - $2, pending_fen = pending_fen - $2, version = version + 1
    WHERE user_id = $1 RETURNING balance_fen, version
), entered AS (
    INSERT INTO entries (user_id, version, kind, account, key, change_fen, balance_fen, at_ms)
    SELECT $1, version, $3, $4, $5, -$2, balance_fen, $6 FROM paid
)
SELECT balance_fen, version FROM paid

-- name: void
UPDATE wallets SET pending_fen = pending_fen - $2 WHERE user_id = $1 RETURNING balance_fen, version
