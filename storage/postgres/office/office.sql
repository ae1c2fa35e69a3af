-- name: is_there
SELECT to_regclass('office_log') IS NOT NULL AND to_regclass('office_sign_ons') IS NOT NULL

-- name: add_operator
INSERT INTO office_operators (name, role, system_uid, made_at_ms, key_made_at_ms) VALUES ($1, $2, $3, $4, $4)
ON CONFLICT DO NOTHING
RETURNING operator_id

-- name: operators
SELECT o.operator_id, o.name, o.role, o.system_uid, o.key_hash, o.made_at_ms, o.key_made_at_ms,
       (SELECT max(seen_at_ms) FROM office_sessions s WHERE s.operator_id = o.operator_id) AS seen_at_ms,
       o.oidc_issuer, o.oidc_subject, o.is_disabled
FROM office_operators o
WHERE ($1::bigint IS NULL OR o.operator_id = $1) AND ($2::text IS NULL OR o.name = $2)
ORDER BY o.operator_id

-- name: operator_of_subject
SELECT o.operator_id, o.name, o.role, o.system_uid, o.key_hash, o.made_at_ms, o.key_made_at_ms, NULL::bigint AS seen_at_ms,
       o.oidc_issuer, o.oidc_subject, o.is_disabled
FROM office_operators o WHERE o.oidc_issuer = $1 AND o.oidc_subject = $2

-- name: add_signed_on
INSERT INTO office_operators (name, role, oidc_issuer, oidc_subject, made_at_ms, key_made_at_ms) VALUES ($1, $2, $3, $4, $5, $5)
ON CONFLICT DO NOTHING
RETURNING operator_id

-- name: set_subject
UPDATE office_operators SET oidc_issuer = $2, oidc_subject = $3 WHERE operator_id = $1
    AND NOT EXISTS (SELECT FROM office_operators o WHERE o.oidc_issuer = $2 AND o.oidc_subject = $3)
RETURNING operator_id

-- name: set_key
-- A key logs in, and lets the operator sign on again; without a key neither is possible.
UPDATE office_operators SET key_hash = $2, key_made_at_ms = $3, is_disabled = ($2::text IS NULL) WHERE operator_id = $1

-- name: set_role
UPDATE office_operators SET role = $2 WHERE operator_id = $1

-- name: end_sessions
DELETE FROM office_sessions WHERE operator_id = $1

-- name: prune_sessions
DELETE FROM office_sessions WHERE began_at_ms <= $1 OR seen_at_ms <= $2

-- name: begin_session
-- Only while the operator has the key that was compared: another may be made meanwhile. Who makes it ends all sessions, and
-- waits for this one, or this one waits and finds the other key.
INSERT INTO office_sessions (token_hash, operator_id, began_at_ms, seen_at_ms)
SELECT $1, operator_id, $3, $3 FROM office_operators WHERE operator_id = $2 AND key_hash = $4 FOR SHARE
RETURNING operator_id

-- name: begin_signed_on
-- Only while the operator is the one of this subject, and not disabled; the lock as above.
INSERT INTO office_sessions (token_hash, operator_id, began_at_ms, seen_at_ms)
SELECT $1, operator_id, $3, $3 FROM office_operators
WHERE operator_id = $2 AND oidc_issuer = $4 AND oidc_subject = $5 AND NOT is_disabled FOR SHARE
RETURNING operator_id

-- name: prune_sign_ons
DELETE FROM office_sign_ons WHERE began_at_ms <= $1

-- name: begin_sign_on
INSERT INTO office_sign_ons (token_hash, path, began_at_ms) VALUES ($1, $2, $3)

-- name: take_sign_on
-- Once.
DELETE FROM office_sign_ons WHERE token_hash = $1 AND began_at_ms > $2 RETURNING path

-- name: session
-- The operator of a session that began after $3 and was used after $4; it is used now.
UPDATE office_sessions s SET seen_at_ms = greatest(s.seen_at_ms, $2)
FROM office_operators o
WHERE s.token_hash = $1 AND s.began_at_ms > $3 AND s.seen_at_ms > $4 AND o.operator_id = s.operator_id
RETURNING o.operator_id, o.name, o.role, o.system_uid

-- name: end_session
DELETE FROM office_sessions WHERE token_hash = $1

-- name: write
INSERT INTO office_log (at_ms, operator_id, operator, role, uid, address, door, state, of_entry, subject_kind, subject,
                        case_number, reason, before, after)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::text::jsonb, $15::text::jsonb)
RETURNING entry_id

-- name: entry
SELECT entry_id, at_ms, operator_id, operator, role, uid, address, door, state, of_entry, subject_kind, subject, case_number,
       reason, before::text, after::text
FROM office_log WHERE entry_id = $1

-- name: newest
-- Before an entry ($1); of an operator, a kind of subject, a subject and a door, where they are named. A door is looked for
-- among the newest $7 of these: it has no index, and one that is seldom passed would be looked for in the whole log.
SELECT entry_id, at_ms, operator_id, operator, role, uid, address, door, state, of_entry, subject_kind, subject, case_number,
       reason, before::text, after::text
FROM (
    SELECT * FROM office_log
    WHERE entry_id < $1 AND ($2 = '' OR operator = $2) AND ($3 = '' OR subject_kind = $3) AND ($4 = '' OR subject = $4)
    ORDER BY entry_id DESC LIMIT greatest($6::bigint, $7::bigint)
) AS newest
WHERE $5 = '' OR door = $5
ORDER BY entry_id DESC LIMIT $6

-- name: changes
-- What operators have done about a subject: ends of changes, begun ones without an end, and what was asked for.
SELECT entry_id, at_ms, operator_id, operator, role, uid, address, door, state, of_entry, subject_kind, subject, case_number,
       reason, before::text, after::text
FROM office_log l
WHERE subject_kind = $1 AND subject = $2 AND (state IN ('done', 'refused', 'asked')
      OR (state = 'begun' AND NOT EXISTS (SELECT FROM office_log e WHERE e.of_entry = l.entry_id)))
  AND case_number <> ''
ORDER BY entry_id DESC LIMIT $3

-- name: asked
-- What was asked for after $1, and neither done nor tried since.
SELECT entry_id, at_ms, operator_id, operator, role, uid, address, door, state, of_entry, subject_kind, subject, case_number,
       reason, before::text, after::text
FROM office_log a
WHERE state = 'asked' AND at_ms > $1 AND NOT EXISTS (
    SELECT FROM office_log l WHERE l.subject_kind = a.subject_kind AND l.subject = a.subject AND l.door = a.door
        AND l.entry_id > a.entry_id AND l.state IN ('asked', 'begun'))
ORDER BY entry_id DESC LIMIT $2
