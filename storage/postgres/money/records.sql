-- name: years
SELECT year, sent_count, sent_fen, received_count, received_fen, best_lucks
FROM years WHERE user_id = $1 ORDER BY year DESC

-- name: sent
-- Newest first, from `from_ms` ($2) up to a line that is not shown any more ($3, $4). One more than a page (21, written
-- out so that the planner knows that there are few) tells whether there is another page. Answered by packets_sent.
SELECT created_at_ms AS at_ms, total_fen AS amount_fen, false AS is_best,
       packet_id, sender_id, key, kind, target_id, total_fen, shares, share_fen_min, share_fen_max, greeting, seed,
       created_at_ms, expires_at_ms, seed_index, client_seed, commitment, chat_id, only_for, words, send_at_ms, version,
       claimed_fen, refunded_fen, closed_at_ms
FROM packets
WHERE sender_id = $1 AND created_at_ms >= $2 AND (created_at_ms, packet_id) < ($3, $4)
ORDER BY created_at_ms DESC, packet_id DESC
LIMIT 21

-- name: received
-- The same of what came in: the page is found by the primary key of `received`, the rest of each line by its packet.
WITH page AS (
    SELECT at_ms, packet_id FROM received
    WHERE user_id = $1 AND at_ms >= $2 AND (at_ms, packet_id) < ($3, $4)
    ORDER BY at_ms DESC, packet_id DESC
    LIMIT 21
)
SELECT page.at_ms, c.amount_fen, b.packet_id IS NOT NULL AS is_best,
       p.packet_id, p.sender_id, p.key, p.kind, p.target_id, p.total_fen, p.shares, p.share_fen_min, p.share_fen_max,
       p.greeting, p.seed, p.created_at_ms, p.expires_at_ms, p.seed_index, p.client_seed, p.commitment, p.chat_id, p.only_for, p.words, p.send_at_ms,
       p.version, p.claimed_fen, p.refunded_fen, p.closed_at_ms
FROM page
JOIN packets p ON p.packet_id = page.packet_id
JOIN claims c ON c.packet_id = page.packet_id AND c.user_id = $1
LEFT JOIN best_lucks b ON b.packet_id = page.packet_id AND b.user_id = $1
ORDER BY page.at_ms DESC, page.packet_id DESC
