-- name: add
INSERT INTO reactions AS r (group_id, user_id, grabs, first_places, sent_packets, recent_ms)
SELECT group_id, user_id, grabs, first_places, sent_packets, recent_ms::integer[]
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])
    AS a (group_id, user_id, grabs, first_places, sent_packets, recent_ms)
ON CONFLICT (group_id, user_id) DO UPDATE
SET grabs = r.grabs + excluded.grabs,
    first_places = r.first_places + excluded.first_places,
    sent_packets = r.sent_packets + excluded.sent_packets,
    recent_ms = (r.recent_ms || excluded.recent_ms)[
        greatest(1, cardinality(r.recent_ms) + cardinality(excluded.recent_ms) - $7 + 1):]

-- name: of_group
SELECT group_id, user_id, grabs, first_places, sent_packets, recent_ms FROM reactions WHERE group_id = $1
