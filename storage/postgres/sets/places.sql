-- name: find
SELECT user_id, set_number FROM user_sets WHERE user_id = ANY($1)

-- name: place
-- Written once: of two servers that place a user the first one decides.
INSERT INTO user_sets (user_id, set_number) SELECT * FROM unnest($1::bigint[], $2::smallint[]) ORDER BY 1
ON CONFLICT DO NOTHING
