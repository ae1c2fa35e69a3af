-- name: packets
-- $1: the first id, $2: packets, $3: shares of each, all claimed, one fen each.
INSERT INTO packets (packet_id, sender_id, key, kind, target_id, total_fen, shares, share_fen_min, share_fen_max, greeting, seed,
                     created_at_ms, expires_at_ms, version, claimed_fen, closed_at_ms)
SELECT $1::bigint + n, 1, 'bench ' || n, 'lucky', 9007199254740992, $3::bigint, $3, 1, 1, '', decode(repeat('00', 32), 'hex'),
       1767196800000, 1767283200000, $3, $3, 1767196800001
FROM generate_series(0, $2::bigint - 1) AS n

-- name: claims
-- $4: users, who claim in turns.
INSERT INTO claims (packet_id, index, user_id, amount_fen, at_ms)
SELECT $1::bigint + n, i, 1 + (n * $3 + i) % $4::bigint, 1, 1767196800001
FROM generate_series(0, $2::bigint - 1) AS n, generate_series(0, $3::bigint - 1) AS i

-- name: queue
INSERT INTO settlement_queue (packet_id, user_id, amount_fen, queued_at_ms, index)
SELECT packet_id, user_id, amount_fen, at_ms, index FROM claims

-- name: places
INSERT INTO user_sets (user_id, set_number) SELECT n, n % 2 FROM generate_series(1, $1::bigint) AS n

-- name: money
SELECT coalesce(sum(balance_fen), 0)::bigint FROM wallets
