-- name: admit
-- Judged by the books alone: the maker of the link has a recorded claim, and is as deep as the link says. $6: kinds whose
-- packets are passed on, $7: the greatest depth.
INSERT INTO admissions (packet_id, user_id, from_user, depth, depth_max, at_ms)
SELECT DISTINCT ON (a.packet_id, a.user_id) a.packet_id, a.user_id, a.from_user, a.depth, $7, a.at_ms
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::bigint[])
    AS a (packet_id, user_id, from_user, depth, at_ms)
JOIN packets p ON p.packet_id = a.packet_id
JOIN claims c ON c.packet_id = p.packet_id AND c.user_id = a.from_user
LEFT JOIN admissions f ON f.packet_id = p.packet_id AND f.user_id = a.from_user
WHERE p.kind = ANY($6::text[]) AND a.user_id NOT IN (p.target_id, p.sender_id) AND a.depth <= $7
  AND a.depth = 1 + CASE WHEN a.from_user = p.target_id THEN 0 ELSE f.depth END
ORDER BY a.packet_id, a.user_id, a.depth
ON CONFLICT DO NOTHING

-- name: find
-- A statement of its own, so that its snapshot holds what another server has recorded meanwhile.
SELECT packet_id, user_id, from_user, depth, number
FROM admissions JOIN unnest($1::bigint[], $2::bigint[]) AS asked (packet_id, user_id) USING (packet_id, user_id)

-- name: of_packets
SELECT packet_id, user_id, depth FROM admissions WHERE packet_id = ANY($1)

-- name: of_user
SELECT packet_id, user_id, depth FROM admissions WHERE user_id = $1 ORDER BY number DESC LIMIT $2
