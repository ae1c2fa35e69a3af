-- name: try_lock
-- One server at a time makes a round.
SELECT pg_try_advisory_xact_lock($1)

-- name: state
SELECT mode, rules, round_at_ms FROM risk_state

-- name: use_rules
WITH kept AS (
    INSERT INTO risk_rules (version, rules, used_at_ms) VALUES ($2, $3::jsonb, $4) ON CONFLICT DO NOTHING
)
UPDATE risk_state SET mode = $1, rules = $2

-- name: stop
UPDATE risk_state SET mode = 'off' WHERE mode <> 'off'

-- name: take_active
-- At most $1 users, each with all that was noted of them: fewer are all that there were when this began.
WITH active AS (SELECT DISTINCT user_id FROM risk_activity LIMIT $1),
     taken AS (DELETE FROM risk_activity a USING active WHERE a.user_id = active.user_id)
SELECT user_id FROM active

-- name: due
-- Users who are held back and have not been looked at since $1: a refused user moves no money, and would stay refused.
-- A frozen one stays so anyway. They are looked at now ($3), whatever comes of it: a user may be a sponsor by now.
WITH due AS (
    SELECT user_id FROM risk_verdicts WHERE action NOT IN ('allow', 'freeze') AND checked_at_ms < $1
    ORDER BY checked_at_ms LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE risk_verdicts v SET checked_at_ms = $3 FROM due WHERE v.user_id = due.user_id RETURNING v.user_id

-- name: end_round
UPDATE risk_state SET round_at_ms = greatest(round_at_ms, $1)

-- name: decide
-- One row for each decision. Left out is what repeats the user's last decision (the same hits and failures, by the same rules)
-- within ten minutes, and of a user who did nothing meanwhile within a day.
INSERT INTO risk_decisions (user_id, at_ms, mode, rules, action, hits, events, errors, facts)
SELECT d.user_id, $2, $3, $4, d.action, ARRAY(SELECT jsonb_array_elements_text(d.hits)),
       ARRAY(SELECT jsonb_array_elements_text(d.events)), d.errors, d.facts
FROM unnest($1::text[]) AS made (value) CROSS JOIN LATERAL jsonb_to_record(made.value::jsonb)
    AS d (user_id bigint, action text, hits jsonb, events jsonb, errors jsonb, facts jsonb, is_again boolean)
LEFT JOIN LATERAL (
    SELECT action, hits, errors, rules, mode, at_ms FROM risk_decisions o WHERE o.user_id = d.user_id ORDER BY decision_id DESC LIMIT 1
) AS last ON true
WHERE (d.action, to_jsonb(d.hits), d.errors, $4, $3) IS DISTINCT FROM
      (last.action, to_jsonb(last.hits), last.errors, last.rules, last.mode)
   OR last.at_ms < $2::bigint - CASE WHEN d.is_again THEN 86400000 ELSE 600000 END
RETURNING decision_id, user_id

-- name: put_verdicts
-- In force from now on. A frozen user stays so until an operator releases them; a released one is left alone for a while.
-- A decision that was left out has no number: then the one before it stays. What is judged beside the rounds ($8) gives way
-- to a round that began later: its facts are newer.
INSERT INTO risk_verdicts AS v
    (user_id, decision_id, action, holds_withdrawals, send_fen_a_day, says, checked_at_ms)
SELECT user_id, decision_id, action, holds_withdrawals, send_fen_a_day, says, $7
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::boolean[], $5::bigint[], $6::text[])
    AS d (user_id, decision_id, action, holds_withdrawals, send_fen_a_day, says)
ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET
    decision_id = CASE WHEN excluded.decision_id = 0 THEN v.decision_id ELSE excluded.decision_id END,
    action = excluded.action, holds_withdrawals = excluded.holds_withdrawals, send_fen_a_day = excluded.send_fen_a_day,
    says = excluded.says, checked_at_ms = greatest(v.checked_at_ms, excluded.checked_at_ms),
    version = v.version + CASE WHEN (v.action, v.holds_withdrawals, v.send_fen_a_day, v.says) IS DISTINCT FROM
        (excluded.action, excluded.holds_withdrawals, excluded.send_fen_a_day, excluded.says) THEN 1 ELSE 0 END
WHERE v.action <> 'freeze' AND v.released_until_ms <= excluded.checked_at_ms
  AND NOT ($8::boolean AND v.checked_at_ms > excluded.checked_at_ms)

-- name: verdicts
SELECT user_id, decision_id, action, holds_withdrawals, send_fen_a_day, says, checked_at_ms, released_until_ms
FROM risk_verdicts WHERE user_id = ANY($1)

-- name: sent_since
-- What users have sent, in packets and transfers, since $2.
SELECT a.user_id,
       (coalesce((SELECT sum(total_fen) FROM packets p WHERE p.sender_id = a.user_id AND p.created_at_ms > $2), 0)
        + coalesce((SELECT sum(amount_fen) FROM wallet_orders o
                    WHERE o.user_id = a.user_id AND o.kind = 13 AND o.at_ms > $2), 0))::bigint AS sent_fen
FROM unnest($1::bigint[]) AS a (user_id)

-- name: decision
SELECT decision_id, user_id, at_ms, mode, rules, action, hits, errors, facts FROM risk_decisions WHERE decision_id = $1

-- name: of_user
SELECT decision_id, user_id, at_ms, mode, rules, action, hits, errors, facts FROM risk_decisions
WHERE user_id = $1 ORDER BY decision_id DESC LIMIT $2

-- name: cases
-- Of the newest $3: a rule that hits seldom is not looked for in all that was ever decided.
SELECT decision_id, user_id, at_ms, mode, rules, action, hits, errors, facts
FROM (SELECT * FROM risk_decisions WHERE action <> 'allow' ORDER BY decision_id DESC LIMIT $3) AS newest
WHERE $2 = '' OR $2 = ANY(hits) ORDER BY decision_id DESC LIMIT $1

-- name: past
-- Decisions after the decision $1, in their order: numbers grow with the time, but for what was decided at once.
SELECT decision_id, user_id, at_ms, mode, rules, action, hits, errors, facts FROM risk_decisions
WHERE decision_id > $1 ORDER BY decision_id LIMIT $2

-- name: newest_number
SELECT coalesce(max(decision_id), 0) FROM risk_decisions

-- name: time_after
SELECT at_ms FROM risk_decisions WHERE decision_id > $1 ORDER BY decision_id LIMIT 1

-- name: rules
SELECT rules FROM risk_rules WHERE version = $1

-- name: release
WITH found AS (
    UPDATE risk_verdicts SET action = 'allow', holds_withdrawals = false, send_fen_a_day = NULL, says = '',
        released_until_ms = $4, version = version + 1
    WHERE user_id = $1 AND action <> 'allow' RETURNING decision_id
)
INSERT INTO risk_releases (user_id, at_ms, decision_id, uid, reason, until_ms)
SELECT $1, $2, decision_id, $3, $5, $4 FROM found RETURNING decision_id

-- name: see
-- A user was seen with marks; written again once in ten minutes. All users of a device are judged again, at most 100.
WITH written AS (
    INSERT INTO risk_marks AS m (kind, mark, user_id, seen_at_ms)
    SELECT kind, mark, $1, $4 FROM unnest($2::smallint[], $3::text[]) AS a (kind, mark)
    ON CONFLICT (kind, mark, user_id) DO UPDATE SET seen_at_ms = excluded.seen_at_ms
    WHERE m.seen_at_ms < excluded.seen_at_ms - 600000
    RETURNING kind, mark
)
INSERT INTO risk_activity (user_id)
SELECT touched.user_id FROM (
    SELECT $1 AS user_id FROM written
    UNION
    SELECT other.user_id FROM written CROSS JOIN LATERAL (
        SELECT m.user_id FROM risk_marks m WHERE m.kind = written.kind AND m.mark = written.mark AND m.kind = 1
        ORDER BY m.seen_at_ms DESC LIMIT 100
    ) AS other
) AS touched
WHERE EXISTS (SELECT FROM risk_state WHERE mode <> 'off')

-- name: count_seen
SELECT a.kind, (
    SELECT count(*) FROM (
        SELECT FROM risk_marks m
        WHERE m.kind = a.kind AND m.mark = a.mark
          AND m.seen_at_ms > $3::bigint - CASE a.kind WHEN 1 THEN 2592000000 ELSE 86400000 END
        LIMIT 1000
    ) AS seen
) AS users
FROM unnest($1::smallint[], $2::text[]) AS a (kind, mark)

-- name: delete_decisions
-- The oldest $2 decisions, if they are older than $1. One that is in force stays, so that it can be explained.
WITH old AS (
    SELECT decision_id FROM (
        SELECT decision_id, at_ms FROM risk_decisions d
        WHERE NOT EXISTS (SELECT FROM risk_verdicts v WHERE v.user_id = d.user_id AND v.decision_id = d.decision_id
                          AND v.action <> 'allow')
        ORDER BY decision_id LIMIT $2
    ) AS first_ones WHERE at_ms < $1
), deleted AS (
    DELETE FROM risk_decisions d USING old WHERE d.decision_id = old.decision_id RETURNING 1
)
SELECT count(*) FROM deleted

-- name: delete_marks
WITH deleted AS (
    DELETE FROM risk_marks WHERE ctid = ANY(ARRAY(SELECT ctid FROM risk_marks WHERE seen_at_ms < $1 LIMIT $2)) RETURNING 1
)
SELECT count(*) FROM deleted
