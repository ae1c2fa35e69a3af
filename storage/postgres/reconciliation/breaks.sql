-- name: figures
SELECT class, count(*) AS breaks, min(greatest(due_at_ms, at_ms)) AS oldest_ms FROM payment_breaks
WHERE closed_at_ms IS NULL AND due_at_ms <= $1 GROUP BY class

-- name: newest
-- $1: only open ones, $2: of a class (empty: of all), $3: of a day (null: of all).
SELECT b.*, coalesce(nullif(b.gateway, ''), p.gateway) AS of_gateway, s.issue, s.day AS statement_day,
       (SELECT count(*) FROM corrections c WHERE c.break_id = b.break_id AND c.state = 'approved') AS corrections
FROM payment_breaks b LEFT JOIN payments p ON p.number = b.number LEFT JOIN statements s USING (statement_id)
WHERE (NOT $1::boolean OR closed_at_ms IS NULL) AND ($2::text = '' OR class = $2)
  AND ($3::date IS NULL OR coalesce(b.day, beijing_day(b.at_ms)) = $3)
  AND ($5::bigint = 0 OR break_id = $5)
ORDER BY break_id DESC LIMIT $4

-- name: own
UPDATE payment_breaks SET owner_uid = $2, owned_at_ms = $3 WHERE break_id = $1 AND closed_at_ms IS NULL RETURNING break_id

-- name: lock
SELECT closed_at_ms IS NOT NULL AS is_closed FROM payment_breaks WHERE break_id = $1 FOR UPDATE

-- name: has_proposal
-- Asked after the lock: a proposal holds it, too.
SELECT EXISTS (SELECT FROM corrections WHERE break_id = $1 AND state = 'proposed')

-- name: close
UPDATE payment_breaks SET closed_at_ms = $2, closed_uid = $3, reason = $4 WHERE break_id = $1
