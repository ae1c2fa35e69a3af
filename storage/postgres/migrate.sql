-- name: is_migrated
SELECT to_regclass('migrations') IS NOT NULL

-- name: may_not
-- What the role of this session lacks for a migration: it makes tables, and only their owner may alter them.
SELECT format('CREATE on the schema %I', current_schema())
WHERE NOT has_schema_privilege(current_schema(), 'CREATE')
UNION ALL
SELECT format('the owner''s rights on the table %s', relname) FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relname = ANY($1) AND NOT pg_has_role(relowner, 'USAGE')
LIMIT 1

-- name: lacks
-- A right on a table that the role of this session does not have.
SELECT format('%s on the table %s', needed, name) FROM (
    SELECT name, needed FROM unnest($1::text[]) AS name, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS needed
    UNION ALL SELECT 'migrations', 'SELECT'
) AS rights
WHERE to_regclass(name) IS NOT NULL AND NOT has_table_privilege(to_regclass(name), needed)
LIMIT 1
