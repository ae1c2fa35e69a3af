-- name: find
SELECT group_id, members_version FROM groups WHERE pair = $1

-- name: is_reachable
SELECT 1 FROM users WHERE user_id = $1 AND banned_at_ms IS NULL

-- name: chats_of
SELECT count(*) FROM memberships m JOIN groups g USING (group_id)
WHERE m.user_id = $1 AND m.left_at_ms IS NULL AND g.kind = 'direct'

-- name: make
-- $5: who opens it; the other one is told. 0: the backend, both are told.
WITH made AS (
    INSERT INTO groups (group_id, kind, pair, name, owner_id, created_at_ms, members_version)
    VALUES ($1, 'direct', $2, '', 0, $4, 1)
    ON CONFLICT (pair) WHERE pair IS NOT NULL DO NOTHING
    RETURNING group_id
), stream AS (
    INSERT INTO streams (stream_id, last_message) SELECT group_id, 0 FROM made
), joined AS (
    INSERT INTO memberships (group_id, user_id, joined_at_ms, changed_version, by_other)
    SELECT group_id, user_id, $4, 1, user_id <> $5 FROM made, unnest($3::bigint[]) AS user_id
)
SELECT group_id, 1::bigint FROM made
