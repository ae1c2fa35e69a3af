-- name: look
-- The enabled endpoints, each with the number of deliveries that are due, up to $2.
SELECT endpoint_id, name, url, types, state, created_at_ms, secret, key_id, previous_secret, previous_key_id,
       previous_until_ms, due
FROM webhook_endpoints AS e, LATERAL (
    SELECT count(*) AS due FROM (
        SELECT FROM webhook_deliveries AS d
        WHERE d.endpoint_id = e.endpoint_id AND d.state = 0 AND next_at_ms <= $1 LIMIT $2
    ) AS first_ones
) AS counted
WHERE state = 'enabled'
ORDER BY endpoint_id

-- name: take
-- Up to $2 due deliveries of each endpoint $1. Other servers pass over them until $4.
WITH due AS (
    SELECT d.endpoint_id, d.event_id
    FROM unnest($1::bigint[], $2::integer[]) AS asked (endpoint_id, room), LATERAL (
        SELECT endpoint_id, event_id FROM webhook_deliveries AS w
        WHERE w.endpoint_id = asked.endpoint_id AND state = 0 AND next_at_ms <= $3
        ORDER BY next_at_ms, event_id LIMIT asked.room FOR UPDATE SKIP LOCKED
    ) AS d
), leased AS (
    UPDATE webhook_deliveries AS d SET next_at_ms = $4 FROM due
    WHERE d.endpoint_id = due.endpoint_id AND d.event_id = due.event_id
    RETURNING d.endpoint_id, d.event_id, d.attempts, d.next_at_ms
)
SELECT endpoint_id, attempts, leased.next_at_ms, event_id, webhook_id, type, subject, number, previous, at_ms, body
FROM leased JOIN webhook_events USING (event_id)
ORDER BY event_id

-- name: record
-- A failure does not count if another server has the delivery by now, or if it arrived.
UPDATE webhook_deliveries AS d
SET state = o.state, attempts = d.attempts + 1, next_at_ms = o.next_at_ms, last_at_ms = o.at_ms,
    last_status = o.status, last_error = o.error
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::smallint[], $5::bigint[], $6::bigint[], $7::smallint[],
            $8::text[])
    AS o (endpoint_id, event_id, lease_ms, state, next_at_ms, at_ms, status, error)
WHERE d.endpoint_id = o.endpoint_id AND d.event_id = o.event_id
  AND (o.state = 1 OR (d.state = 0 AND d.next_at_ms = o.lease_ms))

-- name: list
-- From the newest on, behind an event.
SELECT d.event_id, webhook_id, type, subject, number, at_ms, d.state, attempts, last_status, last_error, last_at_ms,
       CASE WHEN d.state = 0 THEN next_at_ms ELSE 0 END
FROM webhook_deliveries AS d JOIN webhook_events USING (event_id)
WHERE endpoint_id = $1 AND event_id < $2 AND (d.state = $3 OR $3 < 0)
ORDER BY event_id DESC LIMIT $4

-- name: replay_one
UPDATE webhook_deliveries SET state = 0, attempts = 0, next_at_ms = $3 WHERE endpoint_id = $1 AND event_id = $2
RETURNING event_id

-- name: replay
-- Events from $3 on that the endpoint wants: again, or for the first time if it was not there or not enabled when they
-- were written. $4: only those that it did not get. Behind the event $5, $6 of them; how far that went.
WITH events AS (
    SELECT event_id, type, at_ms FROM webhook_events WHERE event_id > $5 ORDER BY event_id LIMIT $6
), again AS (
    INSERT INTO webhook_deliveries AS d (endpoint_id, event_id, next_at_ms)
    SELECT $1, event_id, $2 FROM events
    WHERE at_ms >= $3 AND type <> 'webhook.test'
      AND EXISTS (SELECT FROM webhook_endpoints e
                  WHERE e.endpoint_id = $1 AND (types = '{}' OR type = ANY(types)))
    ORDER BY event_id
    ON CONFLICT (endpoint_id, event_id) DO UPDATE SET state = 0, attempts = 0, next_at_ms = excluded.next_at_ms
    WHERE d.state = 2 OR (d.state = 1 AND NOT $4)
    RETURNING 1
)
SELECT (SELECT max(event_id) FROM events), (SELECT count(*) FROM again)

-- name: test
WITH made AS (
    INSERT INTO webhook_events (type, subject, number, previous, at_ms) VALUES ('webhook.test', $1, 0, 0, $2)
    RETURNING event_id
)
INSERT INTO webhook_deliveries (endpoint_id, event_id, next_at_ms) SELECT $1, event_id, $2 FROM made
RETURNING event_id

-- name: figures
-- Per endpoint: waiting deliveries, counted up to $1, and when the oldest of them was due first.
SELECT name, state, waiting, oldest_ms
FROM webhook_endpoints AS e, LATERAL (
    SELECT count(*) AS waiting, min(at_ms) AS oldest_ms FROM (
        SELECT event_id FROM webhook_deliveries AS d WHERE d.endpoint_id = e.endpoint_id AND d.state = 0
        ORDER BY next_at_ms LIMIT $1
    ) AS first_ones JOIN webhook_events USING (event_id)
) AS counted
WHERE state <> 'removed'
ORDER BY name

-- name: conditions
-- Per endpoint: waiting deliveries, when the first is due, the last attempt, and the attempts since the last one that
-- arrived. No index has the times of attempts: those of the $1 newest events and the $1 latest retries are looked at.
SELECT name, waiting, due_ms, coalesce(last_at_ms, 0), coalesce(last_status, 0), coalesce(last_error, ''),
       coalesce(failures, 0)
FROM webhook_endpoints AS e CROSS JOIN LATERAL (
    SELECT count(*) AS waiting, min(next_at_ms) AS due_ms FROM (
        SELECT next_at_ms FROM webhook_deliveries AS d WHERE d.endpoint_id = e.endpoint_id AND d.state = 0
        ORDER BY next_at_ms LIMIT $1
    ) AS first_ones
) AS queue LEFT JOIN LATERAL (
    WITH looked AS (
        (SELECT event_id, d.state, attempts, last_at_ms, last_status, last_error FROM webhook_deliveries AS d
         WHERE d.endpoint_id = e.endpoint_id ORDER BY event_id DESC LIMIT $1)
        UNION
        (SELECT event_id, d.state, attempts, last_at_ms, last_status, last_error FROM webhook_deliveries AS d
         WHERE d.endpoint_id = e.endpoint_id AND d.state = 0 ORDER BY next_at_ms DESC LIMIT $1)
    ), arrived AS (
        SELECT coalesce(max(last_at_ms), 0) AS at_ms FROM looked WHERE looked.state = 1
    )
    SELECT last_at_ms, last_status, last_error,
           (SELECT sum(attempts) FROM looked, arrived WHERE looked.state <> 1 AND last_at_ms > at_ms) AS failures
    FROM looked WHERE last_at_ms > 0 ORDER BY last_at_ms DESC, looked.state LIMIT 1
) AS last_one ON true
WHERE e.state <> 'removed'
ORDER BY name

-- name: clean
-- The oldest $2 events, if they are older than $1, with their deliveries, whatever became of them.
WITH old AS (
    SELECT event_id FROM (
        SELECT event_id, at_ms FROM webhook_events ORDER BY event_id LIMIT $2
    ) AS first_ones WHERE at_ms < $1
), deliveries AS (
    DELETE FROM webhook_deliveries AS d USING old, webhook_endpoints AS e
    WHERE d.endpoint_id = e.endpoint_id AND d.event_id = old.event_id
)
DELETE FROM webhook_events AS w USING old WHERE w.event_id = old.event_id RETURNING 1

-- name: clean_removed
DELETE FROM webhook_deliveries AS d USING (
    SELECT w.endpoint_id, w.event_id FROM webhook_endpoints AS e JOIN webhook_deliveries AS w USING (endpoint_id)
    WHERE e.state = 'removed' LIMIT $1
) AS old
WHERE d.endpoint_id = old.endpoint_id AND d.event_id = old.event_id
RETURNING 1

-- name: forget_removed
-- Once no transaction can be under way that saw them enabled.
DELETE FROM webhook_endpoints AS e WHERE state = 'removed' AND changed_at_ms < $1
  AND NOT EXISTS (SELECT FROM webhook_deliveries AS d WHERE d.endpoint_id = e.endpoint_id)
