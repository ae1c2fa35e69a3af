-- A row of `users` means that the user is known: named by the chat backend, or logged in before. It also says whether
-- the user is banned, and from when on their tokens are accepted.

-- A table of its own until the last moment, so that names can be read and set while millions of rows are copied.
CREATE TABLE known_users (
    user_id       bigint CONSTRAINT known_users_pkey PRIMARY KEY
                         CONSTRAINT known_users_user_id_check CHECK (is_user(user_id)),
    name          text   NOT NULL DEFAULT '',
    -- Only of a name that its user chose (storage/postgres/chat/unique_names): no two of them look the same.
    unique_name   text,
    -- Null: not banned.
    banned_at_ms  bigint,
    -- Tokens that were issued before are refused; if it is not 0, so are those of version 1.
    tokens_from_s bigint NOT NULL DEFAULT 0,
    -- Grows with each change of the above, which other servers then follow (see 0010).
    version       bigint NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX users_unique_name ON known_users (unique_name) WHERE unique_name IS NOT NULL;
INSERT INTO known_users (user_id) SELECT user_id FROM wallets UNION SELECT user_id FROM memberships ORDER BY 1;

LOCK TABLE users;
INSERT INTO known_users (user_id, name) SELECT user_id, name FROM users ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET name = excluded.name;
DROP TABLE users;
ALTER TABLE known_users RENAME TO users;
ALTER TABLE users RENAME CONSTRAINT known_users_pkey TO users_pkey;
ALTER TABLE users RENAME CONSTRAINT known_users_user_id_check TO users_user_id_check;
