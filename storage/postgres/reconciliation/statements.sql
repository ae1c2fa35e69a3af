-- name: known
SELECT * FROM statements WHERE gateway = $1 AND day = $2 AND issue = $3

-- name: lock_gateway
-- Statements of a gateway are imported and matched one at a time. 7237 is any number that is not locked otherwise.
SELECT pg_advisory_xact_lock(7237, hashtext($1))

-- name: supersede
UPDATE statements SET is_current = false WHERE gateway = $1 AND day = $2 AND issue < $3 AND is_current

-- name: insert
-- It is the current one of its day unless a later issue came before it.
INSERT INTO statements (gateway, merchant, day, issue, rows, sha256, serial, signature, imported_at_ms, imported_uid,
                        is_current)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
       NOT EXISTS (SELECT FROM statements WHERE gateway = $1 AND day = $3 AND issue > $4)
RETURNING statement_id

-- name: counted
SELECT count(*) AS rows, coalesce(min(line), 1) AS first_line, coalesce(max(line), 0) AS last_line,
       min(line) FILTER (WHERE at < to_timestamp(beijing_day_ms($2::date - 1) / 1000)
                            OR at >= to_timestamp(beijing_day_ms($2::date + 2) / 1000)) AS far_line
FROM statement_rows WHERE statement_id = $1

-- name: unmatched
SELECT * FROM statements WHERE matched_at_ms IS NULL AND gateway = ANY($1::text[]) ORDER BY statement_id LIMIT 1

-- name: results
SELECT class, rows, amount_fen FROM statement_results WHERE statement_id = $1

-- name: begin_source
INSERT INTO statement_sources (gateway, since) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- name: since
SELECT gateway, since FROM statement_sources WHERE gateway = ANY($1::text[])

-- name: days
SELECT day FROM statements WHERE gateway = $1 AND is_current AND day >= $2

-- name: stored_rows
SELECT line, bank_ref, number, kind, account, amount_fen, state, (extract(epoch FROM at) * 1000)::bigint AS at_ms
FROM statement_rows WHERE statement_id = $1 ORDER BY line
