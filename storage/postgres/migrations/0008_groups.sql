-- PLACEHOLDER, to be replaced at the merge by the migration of groups. The change feed needs this column of it.
ALTER TABLE groups ADD members_version bigint NOT NULL DEFAULT 0;
