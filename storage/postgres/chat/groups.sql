-- name: load
SELECT group_id, name, owner_id, kind, members_version, deleted_at_ms IS NOT NULL FROM groups WHERE group_id = ANY($1)

-- name: members
SELECT group_id, user_id FROM memberships WHERE group_id = ANY($1) AND left_at_ms IS NULL

-- name: versions
SELECT group_id, members_version FROM groups WHERE group_id = ANY($1)

-- name: version_of_member
SELECT members_version FROM memberships JOIN groups USING (group_id)
WHERE group_id = $1 AND user_id = $2 AND left_at_ms IS NULL

-- name: group
SELECT members_version, name, owner_id, kind, (SELECT last_message FROM streams WHERE stream_id = group_id),
       deleted_at_ms IS NOT NULL
FROM groups WHERE group_id = $1

-- name: changes
SELECT user_id, left_at_ms IS NULL, by_other FROM memberships
WHERE group_id = $1 AND changed_version > $2 AND changed_version > 0

-- name: page
SELECT user_id FROM memberships WHERE group_id = $1 AND user_id > $2 AND left_at_ms IS NULL ORDER BY user_id LIMIT $3

-- name: streams
-- As the owner of a one-to-one chat stands the other user.
SELECT m.user_id, g.group_id AS stream_id, g.name, CASE WHEN g.kind = 'direct' THEN (
           SELECT o.user_id FROM memberships o WHERE o.group_id = g.group_id AND o.user_id <> m.user_id
       ) ELSE g.owner_id END AS owner_id, s.last_message
FROM memberships m JOIN groups g USING (group_id) JOIN streams s ON s.stream_id = g.group_id
WHERE m.user_id = ANY($1) AND m.left_at_ms IS NULL
UNION ALL
SELECT stream_id, stream_id, '', stream_id, last_message FROM streams WHERE stream_id = ANY($1)
ORDER BY 1, 2

-- name: newest
SELECT group_id, coalesce(external_id, ''), kind, name, owner_id,
    (SELECT count(*) FROM memberships m WHERE m.group_id = g.group_id AND m.left_at_ms IS NULL)
FROM groups g ORDER BY group_id DESC LIMIT $1
