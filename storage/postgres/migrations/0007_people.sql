-- PLACEHOLDER, to be replaced at the merge by the migration of users. The change feed needs this column of it.
ALTER TABLE users ADD version bigint NOT NULL DEFAULT 1;
