-- name: put
INSERT INTO users (user_id, name) VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE SET name = excluded.name

-- name: take_away
DELETE FROM users WHERE user_id = $1

-- name: load
SELECT user_id, name FROM users WHERE user_id = ANY($1)
