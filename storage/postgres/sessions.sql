-- name: facts
-- What a new session is connected to. `timeline`: of the WAL that is written now.
SELECT pg_is_in_recovery() AS is_standby,
       current_setting('transaction_read_only') = 'on' AS is_read_only,
       (SELECT system_identifier FROM pg_control_system()) AS cluster,
       CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline,
       pg_postmaster_start_time() AS started_at

-- name: encoding
SELECT current_setting('server_encoding')

-- name: promises_nothing
-- What the server or the role has by default: a session of ours always waits for its commits.
SELECT name FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit') AND reset_val = 'off'

-- name: replication_role
SELECT current_setting('session_replication_role')

-- name: found_schema
SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass('migrations')

-- name: other_schema
-- Where records are that the search path does not lead to.
SELECT m.relnamespace::regnamespace::text FROM pg_class m JOIN pg_class q USING (relnamespace)
WHERE m.relname = 'migrations' AND q.relname = 'settlement_queue' AND m.relkind = 'r' AND q.relkind = 'r' LIMIT 1

-- name: chosen_by
SELECT source FROM pg_settings WHERE name = 'search_path'

-- name: first_schema
SELECT current_schema()::regnamespace::text

-- name: backend
SELECT pg_backend_pid()
