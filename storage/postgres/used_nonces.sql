-- name: use
-- One row at most, also if two servers ask at the same time: the second one waits for the first to commit. In order, so that two
-- servers with the same nonces wait for each other on one side only.
INSERT INTO used_nonces (time_s, mark)
SELECT time_s, mark FROM unnest($1::bigint[], $2::bytea[]) AS asked (time_s, mark)
WHERE time_s >= (SELECT value FROM facts WHERE name = 'nonces_from_s')
ORDER BY time_s, mark
ON CONFLICT DO NOTHING RETURNING time_s, mark

-- name: forget
-- The bound is raised in the same statement, and no further than what is deleted: that is refused from then on, also if a
-- clock is set back. A clock that was ahead for a while leaves no bound in the future.
WITH gone AS (
    DELETE FROM used_nonces WHERE (time_s, mark) IN (
        SELECT time_s, mark FROM used_nonces WHERE time_s < $1 ORDER BY time_s LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING time_s
), last AS (SELECT max(time_s) + 1 AS bound FROM gone)
UPDATE facts SET value = bound FROM last WHERE name = 'nonces_from_s' AND value < bound
