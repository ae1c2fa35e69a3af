-- PLACEHOLDER, to be replaced at the merge by the migration of seeds. Migrations are numbered without a gap.
SELECT 1;
