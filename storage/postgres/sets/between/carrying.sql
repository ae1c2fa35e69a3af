-- name: try_lock
SELECT pg_try_advisory_xact_lock($1)

-- name: balances
SELECT user_id, balance_fen, version FROM wallets WHERE user_id = ANY($1)
