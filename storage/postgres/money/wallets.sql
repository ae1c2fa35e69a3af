-- name: balance
SELECT balance_fen, version FROM wallets WHERE user_id = $1

-- name: holdings
-- The queue has no index by user, which every claim would have to pay for; it is short unless there is a storm, and
-- many users are asked for at once.
SELECT user_id, coalesce(balance_fen, 0), coalesce(version, 0), coalesce(arriving_fen, 0)
FROM unnest($1::bigint[]) AS asked (user_id) LEFT JOIN wallets USING (user_id) LEFT JOIN (
    SELECT user_id, sum(amount_fen)::bigint AS arriving_fen
    FROM settlement_queue JOIN unnest($1::bigint[]) AS wanted (user_id) USING (user_id) GROUP BY user_id
) AS waiting USING (user_id)

-- name: lock
-- In the order of the ids, as everybody who changes wallets does it.
SELECT user_id, balance_fen - pending_fen AS free_fen,
       greatest(next_seed, (SELECT max(first_index) FROM seed_epochs)) AS next_seed, balance_fen, version
FROM wallets WHERE user_id = ANY($1) ORDER BY user_id FOR UPDATE

-- name: debit
-- $3: how many transfers the amount of a user is in; each is a change of the wallet, with its own entry. $4: the server
-- seed of the next packet after these; null leaves it.
WITH asked AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
        AS a (user_id, amount_fen, transfers, next_seed)
), locked AS (
    SELECT w.user_id, asked.amount_fen, asked.transfers, asked.next_seed
    FROM wallets w JOIN asked USING (user_id)
    WHERE w.balance_fen - w.pending_fen >= asked.amount_fen
    ORDER BY w.user_id FOR UPDATE OF w
)
UPDATE wallets w SET balance_fen = w.balance_fen - locked.amount_fen, version = w.version + locked.transfers,
    next_seed = coalesce(locked.next_seed, w.next_seed)
FROM locked WHERE w.user_id = locked.user_id
RETURNING w.user_id, w.balance_fen, w.version

-- name: transfer_before
SELECT amount_fen FROM transfers WHERE debit_account = $1 AND credit_account = $2 AND kind = $3 AND key = $4

-- name: insert_transfer
INSERT INTO transfers (debit_account, credit_account, kind, key, amount_fen, at_ms)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
RETURNING pg_current_xact_id()::xid::text::bigint AS xid

-- name: insert_new_transfer
INSERT INTO transfers (debit_account, credit_account, kind, key, amount_fen, at_ms) VALUES ($1, $2, $3, $4, $5, $6)

-- name: insert_debits
-- Transfers out of wallets, each with its entry.
WITH booked AS (
    INSERT INTO transfers (debit_account, credit_account, kind, key, amount_fen, at_ms)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::bigint[], $6::bigint[])
)
INSERT INTO entries (user_id, version, kind, account, key, change_fen, balance_fen, at_ms)
SELECT user_id, version, kind, account, key, -amount_fen, balance_fen, at_ms
FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
            $8::bigint[])
    AS a (user_id, account, kind, key, amount_fen, at_ms, version, balance_fen)

-- name: is_known
SELECT EXISTS (SELECT FROM users WHERE user_id = $1)

-- name: enter
INSERT INTO entries (user_id, version, kind, account, key, change_fen, balance_fen, at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: entries
-- Behind a version, oldest first, one line for each transfer of an entry. One more than a page (101) tells whether
-- there is another.
WITH found AS (
    SELECT * FROM entries WHERE user_id = $1 AND version > $2 ORDER BY version LIMIT 101
)
SELECT version - count + place AS version, kind, line.account, key, line.change_fen,
       (balance_fen - coalesce(sum(line.change_fen) OVER later, 0))::bigint AS balance_fen, at_ms
FROM found, LATERAL (SELECT coalesce(cardinality(accounts), 1) AS count) AS size,
    LATERAL unnest(coalesce(accounts, ARRAY[account]), coalesce(changes_fen, ARRAY[change_fen])) WITH ORDINALITY
        AS line (account, change_fen, place)
WHERE version - count + place > $2
WINDOW later AS (PARTITION BY version ORDER BY place ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
ORDER BY 1 LIMIT 101

-- name: credit
-- From outside: the chat backend names the user, who is known from then on.
WITH known AS (INSERT INTO users (user_id) VALUES ($1) ON CONFLICT DO NOTHING)
INSERT INTO wallets AS w (user_id, balance_fen) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET balance_fen = w.balance_fen + excluded.balance_fen, version = w.version + 1
RETURNING balance_fen, version

-- name: find_made
-- The transaction tells what came to nothing from what a later request or another server has made with the same key; the time
-- does not do when both have one millisecond. PostgreSQL has its number in the row for nothing. After a failover a number may be
-- used again, at another time. With the wallets that a transfer has changed: one, or two.
SELECT asked.place, w.user_id, w.balance_fen, w.version
FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::bigint[], $6::bigint[]) WITH ORDINALITY
    AS asked (debit_account, credit_account, kind, key, at_ms, xid, place)
JOIN transfers t USING (debit_account, credit_account, kind, key, at_ms)
JOIN wallets w ON w.user_id IN (debit_account, credit_account)
WHERE t.xmin::text::bigint = asked.xid
