-- A placeholder of this branch for the users that the server knows; the file of the same name replaces it.
ALTER TABLE users ALTER name SET DEFAULT '', DROP CONSTRAINT users_name_check;
