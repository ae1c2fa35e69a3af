-- name: packets
SELECT p.packet_id, p.kind, p.sender_id, p.target_id, g.external_id, p.total_fen, p.shares, p.greeting,
       p.created_at_ms, p.expires_at_ms, p.version, p.claimed_fen, p.refunded_fen, p.closed_at_ms, b.user_id, c.amount_fen,
       p.only_for, p.send_at_ms, p.key
FROM packets AS p LEFT JOIN groups AS g ON g.group_id = p.target_id
LEFT JOIN best_lucks AS b ON b.packet_id = p.packet_id
LEFT JOIN claims AS c ON c.packet_id = b.packet_id AND c.user_id = b.user_id
WHERE p.packet_id = ANY($1)

-- name: claims
SELECT packet_id, index, user_id, amount_fen, at_ms
FROM unnest($1::bigint[], $2::integer[], $3::integer[]) AS asked (packet, first_index, end_index), LATERAL (
    SELECT * FROM claims WHERE packet_id = asked.packet AND index >= first_index AND index < end_index
) AS c
ORDER BY packet_id, index

-- name: entries
SELECT user_id, version, kind, balance_fen, change_fen,
       coalesce(accounts, ARRAY[account]), coalesce(changes_fen, ARRAY[change_fen]), key
FROM unnest($1::bigint[], $2::bigint[]) AS asked (user_id, version) JOIN entries USING (user_id, version)

-- name: payments
SELECT number, kind, user_id, amount_fen, state, reason, key, card_id, packet_id, of_number
FROM payments WHERE number = ANY($1)

-- name: campaigns
SELECT campaign_id, c.name, sponsor_id, external_id, shares, budget_fen, starts_at_ms, ends_at_ms, closed_at_ms, returned_fen,
       CASE WHEN closed_at_ms IS NOT NULL
            THEN (SELECT coalesce(sum(numbers - rest), 0) FROM leases l WHERE l.campaign_id = c.campaign_id) ELSE 0 END
FROM campaigns c LEFT JOIN groups USING (group_id) WHERE campaign_id = ANY($1)

-- name: leases
SELECT packet_id, campaign_id, first_number FROM leases WHERE packet_id = ANY($1)

-- name: bill_failures
SELECT f.number, f.sponsor_id, f.bill, f.reason, f.at_ms, b.kind, b.target_id, g.external_id, b.amount_fen, b.shares
FROM bill_failures f JOIN bills b ON b.sponsor_id = f.sponsor_id AND b.number = f.bill
LEFT JOIN groups g ON g.group_id = b.target_id WHERE f.number = ANY($1)

-- name: risk_decisions
SELECT decision_id, user_id, action, hits, at_ms FROM risk_decisions WHERE decision_id = ANY($1)

-- name: admissions
SELECT number, packet_id, kind, sender_id, user_id, from_user, depth, at_ms
FROM admissions JOIN packets USING (packet_id) WHERE number = ANY($1)
