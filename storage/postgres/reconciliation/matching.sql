-- The rules of server/core/reconciliation, for all rows of a statement at once. Known payments are those of this database, and,
-- with several sets, those of others that were brought here in the same transaction.

-- name: evidence
-- $1 gateway, $2 statement: its rows that agree with a payment of ours that has not ended, after a number, in order.
SELECT p.number, r.line, r.bank_ref, r.state
FROM statement_rows r JOIN statements s USING (statement_id)
JOIN known_payments p ON p.number = r.payment AND p.kind = r.kind AND p.gateway = $1
WHERE statement_id = $2 AND s.is_current AND p.state IN ('created', 'submitted', 'unknown') AND p.number > $3
  AND p.amount_fen = r.amount_fen AND p.account IN ('', r.account)
  AND NOT EXISTS (
      SELECT FROM statement_rows o JOIN statements os ON os.statement_id = o.statement_id
      WHERE (o.bank_ref = r.bank_ref OR o.payment = r.payment AND o.kind = r.kind)
        AND os.gateway = $1 AND os.is_current AND (os.day, o.line) < (s.day, r.line))
ORDER BY p.number LIMIT $4

-- name: is_matched
SELECT matched_at_ms IS NOT NULL FROM statements WHERE statement_id = $1

-- name: forget_results
DELETE FROM statement_results WHERE statement_id = $1

-- name: match
-- $1 gateway, $2 statement, $3 now, $4 how far two clocks may differ (ms). Looked at are the rows of the statement,
-- those behind open breaks, and those that name the same booking or payment; then payments without a row. Breaks that
-- are not found any more are closed, new ones are opened: once, and not again after a user of the system closed it.
WITH breaks AS MATERIALIZED (
    SELECT break_id, class, subject, number, bank_ref FROM payment_breaks
    WHERE gateway = $1 AND class <> 'contradiction' AND closed_at_ms IS NULL
), mine AS (
    SELECT r.statement_id, line, bank_ref, payment FROM statement_rows r JOIN statements s USING (statement_id)
    WHERE statement_id = $2 AND is_current
), others AS (
    SELECT r.statement_id, r.line FROM breaks JOIN statement_rows r USING (bank_ref) WHERE r.statement_id <> $2
    UNION SELECT r.statement_id, r.line FROM breaks b JOIN statement_rows r ON r.payment = b.number
          WHERE r.statement_id <> $2
    UNION SELECT r.statement_id, r.line FROM mine JOIN statement_rows r USING (bank_ref) WHERE r.statement_id <> $2
    UNION SELECT r.statement_id, r.line FROM mine JOIN statement_rows r USING (payment) WHERE r.statement_id <> $2
), looked_at AS (
    SELECT r.* FROM statement_rows r WHERE r.statement_id = $2
    UNION ALL
    SELECT r.* FROM others JOIN statement_rows r USING (statement_id, line)
), placed AS (
    SELECT s.day, r.*, p.number AS ours, p.account AS our_account, p.amount_fen AS our_fen, p.state AS our_state,
           p.created_at_ms, p.changed_at_ms,
           (SELECT count(*) FROM statement_rows o JOIN statements os ON os.statement_id = o.statement_id
            WHERE o.bank_ref = r.bank_ref AND (o.statement_id, o.line) <> (r.statement_id, r.line)
              AND os.gateway = $1 AND os.is_current AND (os.day, o.line) < (s.day, r.line)) AS same_refs,
           EXISTS (SELECT FROM statement_rows o JOIN statements os ON os.statement_id = o.statement_id
            WHERE o.payment = r.payment AND o.kind = r.kind AND (o.statement_id, o.line) <> (r.statement_id, r.line)
              AND os.gateway = $1 AND os.is_current AND (os.day, o.line) < (s.day, r.line)) AS is_second
    FROM looked_at r JOIN statements s USING (statement_id)
    LEFT JOIN known_payments p ON p.number = r.payment AND p.kind = r.kind AND p.gateway = $1
    WHERE s.gateway = $1 AND s.is_current
    OFFSET 0  -- so that the questions about earlier rows are asked once
), classified AS MATERIALIZED (
    SELECT statement_id, line, day, bank_ref, kind, amount_fen, state, ours, our_fen, our_state, same_refs,
           CASE WHEN same_refs > 0 OR is_second THEN 'duplicate'
                WHEN ours IS NULL THEN 'bank_only'
                WHEN amount_fen <> our_fen THEN 'amount'
                WHEN our_account NOT IN ('', account) THEN 'other_account'
                WHEN our_state IN ('created', 'submitted', 'unknown') THEN 'open'
                WHEN (our_state = 'succeeded') <> (state = 'succeeded') THEN 'state'
                WHEN (at AT TIME ZONE 'UTC' + interval '8 hours')::date <> day
                    OR created_at_ms - $4::bigint >= beijing_day_ms(day + 1)
                    OR changed_at_ms + $4 < beijing_day_ms(day) THEN 'other_day'
                ELSE 'matched' END AS class
    FROM placed
), candidates AS (
    SELECT number, kind, amount_fen, state, created_at_ms, changed_at_ms FROM known_payments p, statements s
    WHERE s.statement_id = $2 AND p.gateway = $1 AND p.state = 'succeeded'
      AND p.changed_at_ms >= beijing_day_ms(s.day) - $4 AND p.created_at_ms < beijing_day_ms(s.day + 1) + $4
    UNION
    SELECT number, kind, amount_fen, state, created_at_ms, changed_at_ms
    FROM known_payments p JOIN breaks USING (number) WHERE p.gateway = $1 AND p.state = 'succeeded'
), absent AS MATERIALIZED (
    SELECT number, kind, amount_fen, state, beijing_day(created_at_ms - $4) AS first_day,
           beijing_day(changed_at_ms + $4) AS last_day
    FROM candidates p
    WHERE NOT EXISTS (SELECT FROM statement_rows r JOIN statements s USING (statement_id)
                      WHERE r.payment = p.number AND r.kind = p.kind AND s.gateway = $1 AND s.is_current)
), missing AS (
    SELECT * FROM absent
    WHERE NOT EXISTS (
        SELECT FROM generate_series(0, last_day - first_day) AS n
        WHERE NOT EXISTS (SELECT FROM statements s WHERE s.gateway = $1 AND s.day = first_day + n AND s.is_current))
), findings AS MATERIALIZED (
    SELECT class, CASE class WHEN 'duplicate' THEN bank_ref || '#' || same_refs + 1 WHEN 'bank_only' THEN bank_ref
                             ELSE ours::text END AS subject,
           ours AS number, bank_ref, statement_id, line, day,
           CASE WHEN class IN ('duplicate', 'bank_only', 'other_account')
                THEN CASE state WHEN 'succeeded' THEN amount_fen ELSE 0 END
                ELSE abs(CASE state WHEN 'succeeded' THEN amount_fen ELSE 0 END
                         - CASE our_state WHEN 'succeeded' THEN our_fen ELSE 0 END) END AS difference_fen,
           format('the bank: %s of %s ¤ %s; we: %s', kind, amount_fen, state,
                  CASE WHEN ours IS NULL THEN 'no such payment' ELSE format('%s ¤ %s', our_fen, our_state) END) AS detail,
           $3::bigint AS due_at_ms
    FROM classified WHERE class NOT IN ('matched', 'open')
    UNION ALL
    SELECT 'ours_only', m.number::text, m.number, '', NULL, NULL, last_day, amount_fen,
           format('the bank: no row; we: %s of %s ¤ %s', kind, amount_fen, m.state),
           least(beijing_day_ms(last_day + 3),
                 (SELECT $3 FROM statements s WHERE s.gateway = $1 AND s.day = last_day AND s.is_current AND s.issue > 1))
    FROM missing m
), resolved AS (
    UPDATE payment_breaks b SET closed_at_ms = $3, reason = 'both books agree since statement ' || $2
    FROM breaks WHERE b.break_id = breaks.break_id
      AND NOT EXISTS (SELECT FROM findings f WHERE f.class = b.class AND f.subject = b.subject)
    RETURNING b.break_id
), refreshed AS (
    UPDATE payment_breaks b
    SET statement_id = f.statement_id, line = f.line, day = f.day, difference_fen = f.difference_fen,
        detail = f.detail, due_at_ms = least(b.due_at_ms, greatest(f.due_at_ms, b.at_ms))
    FROM breaks JOIN findings f USING (class, subject) WHERE b.break_id = breaks.break_id
    RETURNING b.break_id
), opened AS (
    INSERT INTO payment_breaks (class, gateway, subject, number, bank_ref, statement_id, line, day, difference_fen,
                                detail, at_ms, due_at_ms)
    SELECT class, $1, subject, number, bank_ref, statement_id, line, day, difference_fen, detail, $3,
           greatest(due_at_ms, $3)
    FROM findings f
    WHERE NOT EXISTS (
        SELECT FROM payment_breaks b WHERE b.gateway = $1 AND b.class = f.class AND b.subject = f.subject
           AND b.class <> 'contradiction'
           AND (b.closed_at_ms IS NULL OR b.closed_uid IS NOT NULL AND b.difference_fen = f.difference_fen))
    ORDER BY number, class, subject
    RETURNING break_id
), results AS (
    INSERT INTO statement_results (statement_id, class, rows, amount_fen)
    SELECT $2, class, count(*), sum(amount_fen) FROM classified WHERE statement_id = $2 GROUP BY class
    UNION ALL
    SELECT $2, 'ours_only', count(*), sum(amount_fen) FROM missing, statements s
    WHERE s.statement_id = $2 AND s.day BETWEEN first_day AND last_day HAVING count(*) > 0
    RETURNING class, rows
)
SELECT (SELECT count(*) FROM opened) AS opened, (SELECT count(*) FROM resolved) AS resolved,
       (SELECT count(*) FROM refreshed) AS refreshed,
       (SELECT coalesce(sum(rows), 0)::bigint FROM results WHERE class = 'open') AS open

-- name: set_matched
UPDATE statements SET matched_at_ms = $2 WHERE statement_id = $1
