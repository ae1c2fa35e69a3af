-- name: ids_after
-- From minute to minute that has any: one step in each index, for the first and for the last.
WITH RECURSIVE minutes (first) AS (
    SELECT least((SELECT min(packet_id) FROM packets WHERE packet_id > $1),
                 (SELECT min(group_id) FROM groups WHERE group_id > $1),
                 (SELECT min(campaign_id) FROM campaigns WHERE campaign_id > $1))
    UNION ALL
    SELECT least((SELECT min(packet_id) FROM packets WHERE packet_id >= (first / $2 + 1) * $2),
                 (SELECT min(group_id) FROM groups WHERE group_id >= (first / $2 + 1) * $2),
                 (SELECT min(campaign_id) FROM campaigns WHERE campaign_id >= (first / $2 + 1) * $2))
    FROM minutes WHERE first IS NOT NULL
)
SELECT first, greatest((SELECT max(packet_id) FROM packets WHERE packet_id < (first / $2 + 1) * $2),
                       (SELECT max(group_id) FROM groups WHERE group_id < (first / $2 + 1) * $2),
                       (SELECT max(campaign_id) FROM campaigns WHERE campaign_id < (first / $2 + 1) * $2)) AS last
FROM minutes WHERE first IS NOT NULL LIMIT $3
