-- name: beat
WITH renewed AS (
    INSERT INTO servers (server_id, alive_at, address) VALUES ($1, clock_timestamp(), $4)
    ON CONFLICT (server_id) DO UPDATE SET alive_at = excluded.alive_at, address = excluded.address
    RETURNING server_id
)
-- Here and below, a row that lies ahead is of a clock that was set back since: a living server soon writes it again.
SELECT sent.pg_notify, other.server_id, other.address
FROM (SELECT pg_notify('hongbao_beats', $2 || ':' || server_id) FROM renewed) AS sent
LEFT JOIN servers AS other
    ON other.server_id <> $1 AND abs(extract(epoch FROM clock_timestamp() - other.alive_at)) < $3

-- name: take_node
-- A number is free if no session holds it. The first one that was free is held from now on.
SELECT number FROM generate_series($2::integer, $3::integer) AS number
WHERE pg_try_advisory_lock($1, number) LIMIT 1

-- name: tell
SELECT pg_notify('hongbao_told', change || ':' || $1::bigint) FROM unnest($2::text[]) AS change

-- name: ask
SELECT server_id, pg_notify('hongbao_asks', $2 || ':' || $1::bigint)
FROM servers WHERE server_id <> $1 AND abs(extract(epoch FROM clock_timestamp() - alive_at)) < $3

-- name: leave
DELETE FROM servers WHERE server_id = $1

-- name: forget
DELETE FROM servers WHERE abs(extract(epoch FROM clock_timestamp() - alive_at)) > 3600
