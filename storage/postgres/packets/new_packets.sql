-- name: look_up
-- Packets that these keys have sent; and senders and receivers who are banned or unknown, as in users.sql.
SELECT true AS is_packet, p.sender_id AS user_id, true AS is_known
FROM unnest($1::text::bigint[], $2::text[]) AS asked (sender_id, key)
JOIN packets p USING (sender_id, key)
UNION ALL
SELECT false, asked.user_id, u.user_id IS NOT NULL
FROM unnest($3::text::bigint[]) AS asked (user_id) LEFT JOIN users u USING (user_id)
WHERE is_user(asked.user_id) AND (u.user_id IS NULL OR u.banned_at_ms IS NOT NULL)

-- name: write
-- Packets that were paid: the wallets are held, and hold enough. Each packet has its transfer and its entry, and counts
-- in the year of its sender. An announcement stands so many places before the last message of its stream. What no
-- other part reads is done from the last part to the first, so triggers on packets come before those on messages.
WITH packet AS (
    SELECT * FROM unnest(
        $1::text::bigint[], $2::text::bigint[], $3::text[], $4::text[], $5::text::bigint[], $6::text::bigint[],
        $7::text::integer[], $8::text::bigint[], $9::text::bigint[], $10::text[], $11::bytea[], $12::text::bigint[],
        $13::text::bigint[], $14::text::bigint[], $15::bytea[], $16::bytea[], $17::text::bigint[], $18::text[],
        $19::text[], $20::text::bigint[], $21::text::bigint[], $22::text::bigint[])
        AS p (packet_id, sender_id, key, kind, target_id, total_fen, shares, share_fen_min, share_fen_max, greeting,
              seed, created_at_ms, expires_at_ms, seed_index, client_seed, commitment, chat_id, only_for, words,
              send_at_ms, entry_version, balance_fen)
), post AS (
    SELECT * FROM unnest($27::text::bigint[], $28::text::bigint[], $29::text::bigint[], $30::text::bigint[],
                         $31::text::bigint[])
        AS p (stream_id, back, sender_id, at_ms, packet_id)
), debited AS (
    UPDATE wallets w SET balance_fen = w.balance_fen - asked.amount_fen, version = w.version + asked.transfers,
        next_seed = asked.next_seed
    FROM unnest($23::text::bigint[], $24::text::bigint[], $25::text::bigint[], $26::text::bigint[])
        AS asked (user_id, amount_fen, transfers, next_seed)
    WHERE w.user_id = asked.user_id AND w.balance_fen - w.pending_fen >= asked.amount_fen
    RETURNING w.user_id
), advanced AS (
    INSERT INTO streams AS s (stream_id, last_message)
    SELECT stream_id, count(*) FROM post GROUP BY stream_id ORDER BY stream_id
    ON CONFLICT (stream_id) DO UPDATE SET last_message = s.last_message + excluded.last_message
    RETURNING stream_id, last_message
), posted AS (
    INSERT INTO messages (stream_id, message, sender_id, at_ms, packet_id)
    SELECT stream_id, last_message - back, sender_id, at_ms, packet_id FROM post JOIN advanced USING (stream_id)
), counted AS (
    INSERT INTO years AS y (user_id, year, sent_count, sent_fen)
    SELECT sender_id, beijing_year(created_at_ms), count(*), sum(total_fen) FROM packet GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (user_id, year) DO UPDATE
    SET sent_count = y.sent_count + excluded.sent_count, sent_fen = y.sent_fen + excluded.sent_fen
), entered AS (
    INSERT INTO entries (user_id, version, kind, account, key, change_fen, balance_fen, at_ms)
    SELECT sender_id, entry_version, $32::smallint, packet_id, '', -total_fen, balance_fen, created_at_ms FROM packet
), booked AS (
    INSERT INTO transfers (debit_account, credit_account, kind, key, amount_fen, at_ms)
    SELECT sender_id, packet_id, $32::smallint, '', total_fen, created_at_ms FROM packet
), recorded AS (
    INSERT INTO packets (
        packet_id, sender_id, key, kind, target_id, total_fen, shares, share_fen_min, share_fen_max, greeting, seed,
        created_at_ms, expires_at_ms, seed_index, client_seed, commitment, chat_id, only_for, words, send_at_ms)
    SELECT packet_id, sender_id, key, kind, target_id, total_fen, shares, share_fen_min, share_fen_max, greeting, seed,
        created_at_ms, expires_at_ms, seed_index, client_seed, commitment, chat_id, only_for::bigint[], words, send_at_ms
    FROM packet
)
SELECT stream_id, last_message FROM advanced UNION ALL SELECT 0, count(*) FROM debited
