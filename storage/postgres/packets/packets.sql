-- name: load
SELECT packet_id, sender_id, key, kind, target_id, total_fen, shares, share_fen_min, share_fen_max, greeting, seed,
       created_at_ms, expires_at_ms, seed_index, client_seed, commitment, chat_id, only_for, words, send_at_ms, version, claimed_fen,
       refunded_fen, closed_at_ms,
       ARRAY(SELECT group_id FROM packet_groups g WHERE g.packet_id = p.packet_id ORDER BY at_ms, group_id) AS also_in,
       send_at_ms IS NOT NULL AND EXISTS (
           SELECT FROM scheduled_packets s WHERE s.packet_id = p.packet_id AND s.state <> 'posted') AS is_hidden
FROM packets p WHERE packet_id = ANY($1)

-- name: unopened
SELECT coalesce(sum(total_fen - claimed_fen), 0)::bigint FROM packets WHERE closed_at_ms IS NULL
