-- name: is_migrated
-- From the catalog: to_regclass could remember that there was none before another server migrated.
SELECT EXISTS (
    SELECT FROM pg_class WHERE relname = 'migrations' AND relnamespace = current_schema()::regnamespace
)

-- name: may_not
-- What the role of this session lacks for a migration: it makes tables, and only their owner may alter them.
SELECT format('CREATE on the schema %I', current_schema())
WHERE NOT has_schema_privilege(current_schema(), 'CREATE')
UNION ALL
SELECT format('the owner''s rights on the table %s', relname) FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relname = ANY($1::text[]) AND NOT pg_has_role(relowner, 'USAGE')
LIMIT 1

-- name: lacks
-- A right on a table that the role of this session does not have.
SELECT format('%s on the table %s', needed, relname)
FROM pg_class, unnest(CASE relname WHEN 'migrations' THEN ARRAY['SELECT']
                      ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] END) AS needed
WHERE relnamespace = current_schema()::regnamespace AND relname = ANY($1::text[] || ARRAY['migrations'])
  AND NOT has_table_privilege(pg_class.oid, needed)
LIMIT 1
