-- name: know
INSERT INTO users (user_id) SELECT unnest($1::bigint[]) ORDER BY 1 ON CONFLICT DO NOTHING

-- name: at_login
-- What users have (as `holdings` of the wallets), and what a login is judged by; nulls there: the user is unknown. One
-- statement, because every login pays for it.
SELECT user_id, coalesce(w.balance_fen, 0), coalesce(w.version, 0), coalesce(arriving_fen, 0),
       u.version, u.banned_at_ms IS NOT NULL, u.tokens_from_s
FROM unnest($1::bigint[]) AS asked (user_id) LEFT JOIN wallets w USING (user_id) LEFT JOIN users u USING (user_id)
LEFT JOIN (
    SELECT user_id, sum(amount_fen)::bigint AS arriving_fen
    FROM settlement_queue JOIN unnest($1::bigint[]) AS wanted (user_id) USING (user_id) GROUP BY user_id
) AS waiting USING (user_id)

-- name: restricted
SELECT user_id, version, banned_at_ms IS NOT NULL, tokens_from_s FROM users
WHERE user_id = ANY($1) AND (banned_at_ms IS NOT NULL OR tokens_from_s > 0)

-- name: out_of_reach
-- Of ids of users and of groups, the users who are banned or unknown.
SELECT user_id, u.user_id IS NOT NULL AS is_known
FROM unnest($1::bigint[]) AS asked (user_id) LEFT JOIN users u USING (user_id)
WHERE is_user(asked.user_id) AND (u.user_id IS NULL OR u.banned_at_ms IS NOT NULL)

-- name: choose_name
-- $3 is null for an empty name: many users have none.
INSERT INTO users AS u (user_id, name, unique_name, version) VALUES ($1, $2, $3, 2)
ON CONFLICT (user_id) DO UPDATE SET name = excluded.name, unique_name = excluded.unique_name, version = u.version + 1
WHERE (u.name, u.unique_name) IS DISTINCT FROM (excluded.name, excluded.unique_name)

-- name: put
-- A name that the backend gives need not be unique. A user who is already called so keeps what they chose.
INSERT INTO users AS u (user_id, name, version)
SELECT user_id, name, CASE WHEN name = '' THEN 1 ELSE 2 END
FROM unnest($1::bigint[], $2::text[]) AS a (user_id, name) ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET name = excluded.name, unique_name = NULL, version = u.version + 1
WHERE u.name <> excluded.name

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
