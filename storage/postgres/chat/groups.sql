-- name: create
WITH made AS (
    INSERT INTO groups (group_id, name, owner_id, created_at_ms) VALUES ($1, $2, $3, $4) RETURNING group_id
)
INSERT INTO streams (stream_id, last_message) SELECT group_id, 0 FROM made

-- name: join
INSERT INTO memberships (group_id, user_id, joined_at_ms) VALUES ($1, $2, $3)
ON CONFLICT (group_id, user_id) DO UPDATE SET left_at_ms = NULL

-- name: leave
UPDATE memberships SET left_at_ms = $3 WHERE group_id = $1 AND user_id = $2 AND left_at_ms IS NULL

-- name: remove_member
UPDATE memberships SET left_at_ms = coalesce(left_at_ms, $3), kicked_at_ms = coalesce(kicked_at_ms, $3)
WHERE group_id = $1 AND user_id = $2
RETURNING 1

-- name: was_kicked
SELECT 1 FROM memberships WHERE group_id = $1 AND user_id = $2 AND kicked_at_ms IS NOT NULL

-- name: lock
SELECT 1 FROM groups WHERE group_id = $1 FOR UPDATE

-- name: find_outcome
SELECT group_id, user_id,
       CASE WHEN kicked_at_ms IS NOT NULL THEN 'kicked' WHEN left_at_ms IS NOT NULL THEN 'left' ELSE 'in' END
FROM unnest($1::bigint[], $2::bigint[]) AS a (group_id, user_id) JOIN memberships USING (group_id, user_id)

-- name: count
SELECT count(*) FROM memberships WHERE group_id = $1 AND left_at_ms IS NULL AND user_id <> $2

-- name: groups_of
SELECT count(*) FROM memberships WHERE user_id = $1 AND group_id <> $2 AND left_at_ms IS NULL

-- name: load
SELECT group_id, name, owner_id FROM groups WHERE group_id = ANY($1)

-- name: members
SELECT group_id, user_id FROM memberships WHERE group_id = ANY($1) AND left_at_ms IS NULL

-- name: streams
SELECT m.user_id, g.group_id AS stream_id, g.name, g.owner_id, s.last_message
FROM memberships m JOIN groups g USING (group_id) JOIN streams s ON s.stream_id = g.group_id
WHERE m.user_id = ANY($1) AND m.left_at_ms IS NULL
UNION ALL
SELECT stream_id, stream_id, '', stream_id, last_message FROM streams WHERE stream_id = ANY($1)
ORDER BY 1, 2
