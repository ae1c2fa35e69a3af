-- Risk control: on which devices and from which addresses users were seen, and an end of old decisions (docs/risk.md).

-- `kind`: 1 a device, 2 an address. `mark`: a digest of what the chat backend has told, so no list of devices stands here.
CREATE TABLE risk_marks (
    kind        smallint NOT NULL CHECK (kind IN (1, 2)),
    mark        text     NOT NULL CHECK (mark <> ''),
    user_id     bigint   NOT NULL CHECK (is_user(user_id)),
    seen_at_ms  bigint   NOT NULL,
    PRIMARY KEY (kind, mark, user_id)
) WITH (fillfactor = 80);
CREATE INDEX risk_marks_of_user ON risk_marks (user_id, kind, seen_at_ms);
CREATE INDEX risk_marks_by_time ON risk_marks (kind, mark, seen_at_ms);

-- Decisions end: never before 30 days, whatever deletes them.
DROP TRIGGER risk_decisions_stay ON risk_decisions;
CREATE TRIGGER risk_decisions_stay BEFORE UPDATE OR TRUNCATE ON risk_decisions EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_early_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.at_ms > (extract(epoch FROM statement_timestamp()) * 1000)::bigint - 30::bigint * 86400000 THEN
        RAISE EXCEPTION '% are kept for 30 days', TG_TABLE_NAME;
    END IF;
    RETURN OLD;
END
$$;
CREATE TRIGGER risk_decisions_end_late BEFORE DELETE ON risk_decisions FOR EACH ROW EXECUTE FUNCTION refuse_early_delete();

-- How often a rule hit on a day of Beijing, and how many users; for tools that draw, beside the views of 0035.
CREATE VIEW risk_hits_by_day AS
SELECT beijing_day(d.at_ms) AS day, hit AS rule, d.mode, count(*) AS decisions, count(DISTINCT d.user_id) AS users
FROM risk_decisions d CROSS JOIN LATERAL unnest(d.hits) AS hit GROUP BY 1, 2, 3;
