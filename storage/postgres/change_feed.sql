-- name: beat
WITH renewed AS (
    INSERT INTO servers (server_id, alive_at) VALUES ($1, clock_timestamp())
    ON CONFLICT (server_id) DO UPDATE SET alive_at = excluded.alive_at
    RETURNING server_id
)
-- Here and below, a row that lies ahead is of a clock that was set back since: a living server soon writes it again.
SELECT (SELECT count(*) FROM servers WHERE server_id <> $1
    AND abs(extract(epoch FROM clock_timestamp() - alive_at)) < $3)
FROM (SELECT pg_notify('hongbao_beats', $2 || ':' || server_id) FROM renewed) AS sent

-- name: tell
SELECT pg_notify('hongbao_told', change || ':' || $1::bigint) FROM unnest($2::text[]) AS change

-- name: ask
SELECT server_id, pg_notify('hongbao_asks', $2 || ':' || $1::bigint)
FROM servers WHERE server_id <> $1 AND abs(extract(epoch FROM clock_timestamp() - alive_at)) < $3

-- name: leave
DELETE FROM servers WHERE server_id = $1

-- name: forget
DELETE FROM servers WHERE abs(extract(epoch FROM clock_timestamp() - alive_at)) > 3600
