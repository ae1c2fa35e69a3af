-- name: make
WITH made AS (
    INSERT INTO groups (group_id, external_id, kind, name, owner_id, created_at_ms, members_version)
    VALUES ($1, $2, $3, $4, $5, $6, 1)
    ON CONFLICT (external_id) WHERE external_id IS NOT NULL DO NOTHING
    RETURNING group_id
), stream AS (
    INSERT INTO streams (stream_id, last_message) SELECT group_id, 0 FROM made
)
SELECT group_id FROM made

-- name: find
SELECT group_id, kind, name, owner_id, members_version, deleted_at_ms IS NOT NULL FROM groups WHERE external_id = $1 FOR UPDATE

-- name: id_of
SELECT group_id FROM groups WHERE external_id = $1

-- name: change
UPDATE groups SET name = $2, owner_id = $3, members_version = $4 WHERE group_id = $1

-- name: lock
SELECT kind, members_version, synced_version FROM groups WHERE group_id = $1 AND deleted_at_ms IS NULL FOR UPDATE

-- name: version
SELECT members_version FROM groups WHERE group_id = $1

-- name: all_left
UPDATE memberships SET left_at_ms = $2, changed_version = $3, by_other = true
WHERE group_id = $1 AND left_at_ms IS NULL

-- name: delete
UPDATE groups SET deleted_at_ms = $2, members_version = $3, invite = NULL WHERE group_id = $1

-- name: synced_in
-- Rows whose standing stays are not written: synced_version of the group holds for them.
WITH changed AS (
    INSERT INTO memberships AS m
        (group_id, user_id, joined_at_ms, changed_version, by_other, backend_version, from_message)
    SELECT $1, user_id, $3, $4, true, $5, (SELECT last_message FROM streams WHERE stream_id = $1)
    FROM (SELECT DISTINCT unnest($2::bigint[]) AS user_id) AS listed ORDER BY user_id
    ON CONFLICT (group_id, user_id) DO UPDATE SET
        joined_at_ms = coalesce(m.joined_at_ms, excluded.joined_at_ms), left_at_ms = NULL, kicked_at_ms = NULL,
        changed_version = excluded.changed_version, by_other = true, backend_version = excluded.backend_version,
        from_message = excluded.from_message
    WHERE m.backend_version < excluded.backend_version AND m.left_at_ms IS NOT NULL
    RETURNING 1
)
SELECT count(*) FROM changed

-- name: join_by_hash
-- A plan that was made for short lists would compare each member with each listed user.
SET LOCAL enable_nestloop = off

-- name: synced_out
WITH changed AS (
    UPDATE memberships m SET left_at_ms = $3, changed_version = $4, by_other = true, backend_version = $5
    WHERE group_id = $1 AND left_at_ms IS NULL AND backend_version < $5
      AND NOT EXISTS (SELECT FROM unnest($2::bigint[]) AS listed (user_id) WHERE listed.user_id = m.user_id)
    RETURNING 1
)
SELECT count(*) FROM changed

-- name: joined
WITH changed AS (
    INSERT INTO memberships AS m
        (group_id, user_id, joined_at_ms, changed_version, by_other, backend_version, from_message)
    SELECT $1, user_id, $3, $4, true, $5, (SELECT last_message FROM streams WHERE stream_id = $1)
    FROM (SELECT DISTINCT unnest($2::bigint[]) AS user_id) AS listed ORDER BY user_id
    ON CONFLICT (group_id, user_id) DO UPDATE SET
        backend_version = excluded.backend_version,
        joined_at_ms = coalesce(m.joined_at_ms, excluded.joined_at_ms), left_at_ms = NULL, kicked_at_ms = NULL,
        changed_version = CASE WHEN m.left_at_ms IS NULL THEN m.changed_version ELSE excluded.changed_version END,
        by_other = m.by_other OR m.left_at_ms IS NOT NULL,
        from_message = CASE WHEN m.left_at_ms IS NULL THEN m.from_message ELSE excluded.from_message END
    WHERE m.backend_version < excluded.backend_version
    RETURNING changed_version = $4 AS came
)
SELECT count(*) FILTER (WHERE came) FROM changed

-- name: left
-- A user without a row gets one: an older joining that comes later must not make them a member.
WITH changed AS (
    INSERT INTO memberships AS m (group_id, user_id, left_at_ms, changed_version, by_other, backend_version)
    SELECT $1, user_id, $3, 0, true, $5
    FROM (SELECT DISTINCT unnest($2::bigint[]) AS user_id) AS listed ORDER BY user_id
    ON CONFLICT (group_id, user_id) DO UPDATE SET
        backend_version = excluded.backend_version, left_at_ms = coalesce(m.left_at_ms, excluded.left_at_ms),
        changed_version = CASE WHEN m.left_at_ms IS NULL THEN $4 ELSE m.changed_version END,
        by_other = m.by_other OR m.left_at_ms IS NULL
    WHERE m.backend_version < excluded.backend_version
    RETURNING changed_version = $4 AS went
)
SELECT count(*) FILTER (WHERE went) FROM changed

-- name: passes_end
-- Users are in by passes, which are not recorded: the row says when those issued before have ended. It has a new
-- version of the group in any case, so that every server takes the user out.
WITH changed AS (
    INSERT INTO memberships AS m (group_id, user_id, left_at_ms, changed_version, by_other, backend_version)
    SELECT $1, user_id, $3, $4, true, $5
    FROM (SELECT DISTINCT unnest($2::bigint[]) AS user_id) AS listed ORDER BY user_id
    ON CONFLICT (group_id, user_id) DO UPDATE SET
        backend_version = excluded.backend_version, left_at_ms = excluded.left_at_ms,
        changed_version = excluded.changed_version, by_other = true
    WHERE m.backend_version < excluded.backend_version
    RETURNING 1
)
SELECT count(*) FROM changed

-- name: forget_versions
WITH forgotten AS (
    UPDATE memberships SET backend_version = -1 WHERE group_id = $1
)
UPDATE groups SET synced_version = 0 WHERE group_id = $1

-- name: members
SELECT count(*) FROM memberships WHERE group_id = $1 AND left_at_ms IS NULL

-- name: advance
UPDATE groups SET members_version = $2, synced_version = greatest(synced_version, $3) WHERE group_id = $1
