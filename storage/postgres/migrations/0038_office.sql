-- The back office (docs/back-office.md): its operators, their sessions, and the log of all that they see and do. In set 0.

-- `key_hash`: argon2id of the secret of the key; null: the operator has no key and cannot log in. `system_uid`: the user of
-- the system that this person is on the command line, so that four eyes are four there, too.
CREATE TABLE office_operators (
    operator_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text   NOT NULL UNIQUE CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$'),
    role           text   NOT NULL CHECK (role IN ('viewer', 'support', 'finance', 'admin')),
    system_uid     bigint UNIQUE CHECK (system_uid BETWEEN 0 AND 4294967295),
    key_hash       text,
    made_at_ms     bigint NOT NULL,
    key_made_at_ms bigint NOT NULL
);

-- `token_hash`: SHA-256 of what stands in the cookie.
CREATE TABLE office_sessions (
    token_hash  bytea  PRIMARY KEY CHECK (length(token_hash) = 32),
    operator_id bigint NOT NULL REFERENCES office_operators,
    began_at_ms bigint NOT NULL,
    seen_at_ms  bigint NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX office_sessions_of_operator ON office_sessions (operator_id);

-- What was seen, asked for and done. Users stand here by their ids, never by their names. `uid`: what the operator is in
-- the books (proposals, breaks). `of_entry`: the `begun` entry of the change that this one ends.
CREATE TABLE office_log (
    entry_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms        bigint NOT NULL,
    operator_id  bigint,  -- null: a user of the system, on the command line
    operator     text   NOT NULL CHECK (operator <> ''),
    role         text   NOT NULL,
    uid          bigint NOT NULL,
    address      text   NOT NULL,
    door         text   NOT NULL CHECK (door <> ''),
    state        text   NOT NULL CHECK (state IN ('seen', 'denied', 'asked', 'begun', 'done', 'refused')),
    of_entry     bigint REFERENCES office_log,
    subject_kind text   NOT NULL,
    subject      text   NOT NULL,
    case_number  text   NOT NULL,
    reason       text   NOT NULL,
    before       jsonb  NOT NULL,
    after        jsonb  NOT NULL,
    CHECK (state NOT IN ('asked', 'begun') OR (case_number <> '' AND reason <> ''))
);
CREATE UNIQUE INDEX office_log_ends ON office_log (of_entry) WHERE of_entry IS NOT NULL;
CREATE INDEX office_log_of_subject ON office_log (subject_kind, subject, entry_id);
-- What one operator has asked for, and another one does.
CREATE INDEX office_log_asked ON office_log (entry_id) WHERE state = 'asked';
CREATE INDEX office_log_of_operator ON office_log (operator, entry_id);
CREATE TRIGGER office_log_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON office_log EXECUTE FUNCTION refuse_change();
