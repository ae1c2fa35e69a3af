-- name: hidden
SELECT packet_id, words FROM packets WHERE packet_id = ANY($1) AND words IS NOT NULL

-- name: count
-- In one order, so that two servers that count the same attempts wait for each other and do not lock each other out.
INSERT INTO words_said AS w (packet_id, user_id, attempts)
SELECT packet_id, user_id, 1 FROM unnest($1::bigint[], $2::bigint[]) AS a (packet_id, user_id) ORDER BY 1, 2
ON CONFLICT (packet_id, user_id) DO UPDATE SET attempts = w.attempts + 1
WHERE w.said_at_ms IS NULL AND w.attempts < $3
RETURNING packet_id, user_id, attempts

-- name: said_among
SELECT packet_id, user_id FROM words_said JOIN unnest($1::bigint[], $2::bigint[]) AS a (packet_id, user_id)
    USING (packet_id, user_id) WHERE said_at_ms IS NOT NULL

-- name: note_said
UPDATE words_said w SET said_at_ms = $3 FROM unnest($1::bigint[], $2::bigint[]) AS a (packet_id, user_id)
WHERE w.packet_id = a.packet_id AND w.user_id = a.user_id

-- name: said
SELECT packet_id, user_id FROM words_said WHERE packet_id = ANY($1) AND said_at_ms IS NOT NULL
