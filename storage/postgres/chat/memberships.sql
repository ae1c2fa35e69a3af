-- name: lock_user
SELECT 1 FROM users WHERE user_id = $1 FOR UPDATE

-- name: groups_of
SELECT count(*) FROM memberships m JOIN groups g USING (group_id)
WHERE m.user_id = $1 AND m.group_id <> $2 AND m.left_at_ms IS NULL AND g.kind = 'group'

-- name: create
WITH made AS (
    INSERT INTO groups (group_id, name, owner_id, created_at_ms, members_version) VALUES ($1, $2, $3, $4, 1)
    RETURNING group_id
)
INSERT INTO streams (stream_id, last_message) SELECT group_id, 0 FROM made

-- name: invited_to
SELECT group_id FROM groups WHERE invite = $1

-- name: invited
SELECT g.invite, g.members_version, m.left_at_ms IS NULL AND m.user_id IS NOT NULL, m.kicked_at_ms IS NOT NULL
FROM groups g LEFT JOIN memberships m ON m.group_id = g.group_id AND m.user_id = $2
WHERE g.group_id = $1

-- name: lock
SELECT members_version FROM groups WHERE group_id = $1 FOR UPDATE

-- name: count
SELECT count(*) FROM memberships WHERE group_id = $1 AND left_at_ms IS NULL AND user_id <> $2

-- name: join
INSERT INTO memberships AS m (group_id, user_id, joined_at_ms, changed_version, by_other, from_message)
SELECT $1, $2, $3, $4, false, last_message FROM streams WHERE stream_id = $1
ON CONFLICT (group_id, user_id) DO UPDATE SET
    joined_at_ms = coalesce(m.joined_at_ms, excluded.joined_at_ms), left_at_ms = NULL,
    changed_version = excluded.changed_version, by_other = false, from_message = excluded.from_message

-- name: is_member
SELECT 1 FROM memberships WHERE group_id = $1 AND user_id = $2 AND left_at_ms IS NULL

-- name: lock_to_leave
SELECT members_version, owner_id, kind FROM groups WHERE group_id = $1 FOR UPDATE

-- name: left_at_version
SELECT changed_version FROM memberships WHERE group_id = $1 AND user_id = $2 AND left_at_ms IS NOT NULL

-- name: leave
UPDATE memberships SET left_at_ms = $3, changed_version = $4, by_other = false
WHERE group_id = $1 AND user_id = $2 AND left_at_ms IS NULL
RETURNING 1

-- name: remove_member
-- A user who left before is kept out from now on, which changes no standing that memory has.
UPDATE memberships SET
    left_at_ms = coalesce(left_at_ms, $3), kicked_at_ms = $3, by_other = by_other OR left_at_ms IS NULL,
    changed_version = CASE WHEN left_at_ms IS NULL THEN $4 ELSE changed_version END
WHERE group_id = $1 AND user_id = $2 AND kicked_at_ms IS NULL AND joined_at_ms IS NOT NULL
RETURNING 1

-- name: was_member
SELECT 1 FROM memberships WHERE group_id = $1 AND user_id = $2 AND joined_at_ms IS NOT NULL

-- name: advance
UPDATE groups SET members_version = $2 WHERE group_id = $1

-- name: invite
SELECT invite FROM groups WHERE group_id = $1

-- name: put_invite
UPDATE groups SET invite = CASE WHEN $3 THEN $2 ELSE coalesce(invite, $2) END WHERE group_id = $1 RETURNING invite
