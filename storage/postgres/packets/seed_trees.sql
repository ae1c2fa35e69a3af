-- name: next_index
SELECT greatest((SELECT next_seed FROM wallets WHERE user_id = $1), (SELECT max(first_index) FROM seed_epochs), 0)

-- name: trees
SELECT user_id, number, root, sealed, key_id, created_at_ms
FROM seed_trees JOIN unnest($1::bigint[], $2::bigint[]) AS asked (user_id, number) USING (user_id, number)

-- name: insert_trees
-- In one order, so that two servers that make the same trees wait for each other and do not lock each other out.
INSERT INTO seed_trees (user_id, number, root, sealed, key_id, created_at_ms)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::text[], $6::bigint[])
    AS made (user_id, number, root, sealed, key_id, created_at_ms)
ORDER BY user_id, number
ON CONFLICT DO NOTHING

-- name: lock_epochs
LOCK TABLE seed_epochs IN SHARE ROW EXCLUSIVE MODE

-- name: epoch
SELECT first_index, origin, key_id, at_ms FROM seed_epochs ORDER BY first_index DESC LIMIT 1

-- name: origin
SELECT seed_origin()

-- name: begin_epoch
-- At a time in milliseconds, rounded up to a whole tree: later than every index that any lost database has used, since
-- no user sends a thousand packets a second; and behind every tree that is known, of which a user was told the next two.
INSERT INTO seed_epochs (first_index, origin, key_id, at_ms)
SELECT greatest(($1::bigint + 63) / 64, (SELECT max(first_index) / 64 + 2 FROM seed_epochs),
                (SELECT max(next_seed) / 64 + 2 FROM wallets)) * 64, $2, $3, $1
RETURNING first_index

-- name: sealed_otherwise
SELECT user_id, number, root, sealed, key_id, created_at_ms FROM seed_trees
WHERE key_id <> $1 AND (user_id, number) > ($2, $3) ORDER BY user_id, number LIMIT 1000

-- name: seal_again
UPDATE seed_trees t SET sealed = n.sealed, key_id = $4
FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS n (user_id, number, sealed)
WHERE t.user_id = n.user_id AND t.number = n.number
