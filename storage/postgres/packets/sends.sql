-- name: find_outcome
-- Only of packets that exist is the announcement looked for, from the end of the stream, where it stands if it is new.
SELECT p.packet_id, a.stream_id, m.message, w.balance_fen, w.version, p.seed_index, p.client_seed, p.commitment
FROM unnest($1::bigint[], $2::bigint[]) AS a (packet_id, stream_id)
JOIN packets p USING (packet_id)
JOIN wallets w ON w.user_id = p.sender_id
LEFT JOIN LATERAL (
    SELECT message FROM messages
    WHERE stream_id = a.stream_id AND packet_id = p.packet_id AND reminder IS NULL
    ORDER BY message DESC LIMIT 1
) AS m ON true

-- name: lock_bills
-- The bills that these senders send by packets of these keys and kinds. `fail` of bills.sql waits for the packet, or is seen here.
SELECT b.sponsor_id, 'bill:' || b.number, b.failed
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS asked (sponsor_id, key, kind)
JOIN bills b ON b.sponsor_id = asked.sponsor_id AND b.number = substr(asked.key, 6) AND b.kind = asked.kind
ORDER BY b.sponsor_id, b.number FOR SHARE OF b

-- name: sent_before
SELECT p.packet_id, p.sender_id, p.key, p.kind, p.target_id, p.total_fen, p.shares, p.share_fen_min,
       p.share_fen_max, p.greeting, p.seed, p.created_at_ms, p.expires_at_ms, p.seed_index,
       p.client_seed, p.commitment, p.chat_id, p.only_for, p.words, p.send_at_ms, p.version, p.claimed_fen, p.refunded_fen, p.closed_at_ms
FROM packets p JOIN unnest($1::bigint[], $2::text[]) AS asked (sender_id, key) USING (sender_id, key)
