-- name: know
INSERT INTO users (user_id) SELECT unnest($1::bigint[]) ORDER BY 1 ON CONFLICT DO NOTHING

-- name: unknown
SELECT user_id FROM unnest($1::bigint[]) AS asked (user_id)
WHERE NOT EXISTS (SELECT FROM users u WHERE u.user_id = asked.user_id) ORDER BY 1

-- name: at_login
-- What users have (as `holdings` of the wallets), and what a login is judged by; nulls there: the user is unknown. One
-- statement, because every login pays for it.
SELECT user_id, coalesce(w.balance_fen, 0), coalesce(w.version, 0), coalesce(arriving_fen, 0),
       u.version, u.banned_at_ms IS NOT NULL, u.tokens_from_s,
       EXISTS (SELECT FROM sponsors s WHERE s.user_id = asked.user_id)
FROM unnest($1::bigint[]) AS asked (user_id) LEFT JOIN wallets w USING (user_id) LEFT JOIN users u USING (user_id)
LEFT JOIN (
    SELECT user_id, sum(amount_fen)::bigint AS arriving_fen
    FROM settlement_queue JOIN unnest($1::bigint[]) AS wanted (user_id) USING (user_id) GROUP BY user_id
) AS waiting USING (user_id)

-- name: restricted
SELECT user_id, version, banned_at_ms IS NOT NULL, tokens_from_s FROM users
WHERE user_id = ANY($1) AND (banned_at_ms IS NOT NULL OR tokens_from_s > 0)

-- name: passes_from
-- A membership row of a group without a member list says when the backend ended the user's passes.
SELECT banned_at_ms IS NOT NULL, tokens_from_s,
    (SELECT left_at_ms FROM memberships m WHERE m.group_id = $2 AND m.user_id = $1)
FROM users WHERE user_id = $1

-- name: out_of_reach
-- Of ids of users and of groups, the users who are banned or unknown.
SELECT user_id, u.user_id IS NOT NULL AS is_known
FROM unnest($1::bigint[]) AS asked (user_id) LEFT JOIN users u USING (user_id)
WHERE is_user(asked.user_id) AND (u.user_id IS NULL OR u.banned_at_ms IS NOT NULL)

-- name: not_members
-- Groups without a member list are not checked.
SELECT asked.user_id, asked.group_id FROM unnest($1::bigint[], $2::bigint[]) AS asked (user_id, group_id)
JOIN groups g ON g.group_id = asked.group_id
LEFT JOIN memberships m ON m.group_id = g.group_id AND m.user_id = asked.user_id AND m.left_at_ms IS NULL
WHERE g.kind <> 'signed' AND (m.user_id IS NULL OR g.deleted_at_ms IS NOT NULL)

-- name: lock_given_names
-- No name is chosen from now to the end of the transaction: neither of a choice and a gift at once would see the other.
SELECT pg_advisory_xact_lock(x'6e616d65'::bigint)  -- "name"

-- name: lock_given_names_shared
SELECT pg_advisory_xact_lock_shared(x'6e616d65'::bigint)

-- name: is_given
-- A user may keep the present name, or write a chosen one in another way, also if the backend gave it to others before
-- migration 0011.
SELECT EXISTS (SELECT FROM given_names WHERE unique_form = $3 AND user_id <> $1)
    AND NOT EXISTS (SELECT FROM users WHERE user_id = $1 AND (name = $2 OR unique_name = $3))

-- name: choose_name
-- $3 is null for an empty name: many users have none. A user who is already called so has it from the same side as
-- before.
WITH chosen AS (
    INSERT INTO users AS u (user_id, name, unique_name, version) VALUES ($1, $2, $3, 2)
    ON CONFLICT (user_id) DO UPDATE
    SET name = excluded.name, unique_name = excluded.unique_name, version = u.version + 1
    WHERE u.name <> excluded.name
    RETURNING user_id
)
DELETE FROM given_names USING chosen WHERE given_names.user_id = chosen.user_id

-- name: take_names
-- $2: the forms of the names that the users $1 are given. Another user who has chosen one of them has no name from now on.
UPDATE users SET name = '', unique_name = NULL, version = version + 1
WHERE unique_name = ANY($2::text[]) AND user_id <> ALL($1::bigint[])
RETURNING user_id

-- name: give_names
WITH asked AS (
    SELECT user_id, unique_form FROM unnest($1::bigint[], $2::text[]) AS a (user_id, unique_form)
), nameless AS (
    DELETE FROM given_names g USING asked WHERE g.user_id = asked.user_id AND asked.unique_form = ''
)
INSERT INTO given_names AS g (user_id, unique_form) SELECT * FROM asked WHERE unique_form <> '' ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET unique_form = excluded.unique_form WHERE g.unique_form <> excluded.unique_form

-- name: put
-- A name that the backend gives need not be unique. One that its user chose is the backend's from now on.
INSERT INTO users AS u (user_id, name, version)
SELECT user_id, name, CASE WHEN name = '' THEN 1 ELSE 2 END
FROM unnest($1::bigint[], $2::text[]) AS a (user_id, name) ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET
    name = excluded.name, unique_name = NULL,
    version = u.version + CASE WHEN u.name = excluded.name THEN 0 ELSE 1 END
WHERE u.name <> excluded.name OR u.unique_name IS NOT NULL

-- name: put_avatars
UPDATE users u SET avatar_url = asked.url FROM unnest($1::bigint[], $2::text[]) AS asked (user_id, url)
WHERE u.user_id = asked.user_id AND u.avatar_url <> asked.url

-- name: avatar_urls
SELECT user_id, avatar_url FROM users WHERE user_id = ANY($1) AND avatar_url <> ''

-- name: names
SELECT user_id, name FROM users WHERE user_id = ANY($1) AND name <> ''

-- name: ban
-- $2 is null to lift the ban. A repeat keeps the row and its version.
INSERT INTO users AS u (user_id, banned_at_ms, version) VALUES ($1, $2, CASE WHEN $2::bigint IS NULL THEN 1 ELSE 2 END)
ON CONFLICT (user_id) DO UPDATE SET
    version = u.version + CASE WHEN (u.banned_at_ms IS NULL) = (excluded.banned_at_ms IS NULL) THEN 0 ELSE 1 END,
    banned_at_ms = CASE WHEN excluded.banned_at_ms IS NOT NULL THEN coalesce(u.banned_at_ms, excluded.banned_at_ms) END
RETURNING user_id, version, banned_at_ms IS NOT NULL, tokens_from_s

-- name: revoke_tokens
INSERT INTO users AS u (user_id, tokens_from_s, version) VALUES ($1, $2, 2)
ON CONFLICT (user_id) DO UPDATE SET
    version = u.version + CASE WHEN excluded.tokens_from_s > u.tokens_from_s THEN 1 ELSE 0 END,
    tokens_from_s = greatest(u.tokens_from_s, excluded.tokens_from_s)
RETURNING user_id, version, banned_at_ms IS NOT NULL, tokens_from_s
