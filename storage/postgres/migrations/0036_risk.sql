-- Risk control: what rules decide about users, and what of it is in force (docs/risk.md).

-- Since when a user is known; 0: before this migration.
ALTER TABLE users ADD COLUMN known_at_ms bigint NOT NULL DEFAULT 0;
ALTER TABLE users ALTER COLUMN known_at_ms SET DEFAULT (extract(epoch FROM statement_timestamp()) * 1000)::bigint;

-- One row. `rules`: the version that servers use. `round_at_ms`: the begin of the newest round that was completed.
CREATE TABLE risk_state (
    one_row     boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    mode        text    NOT NULL CHECK (mode IN ('off', 'shadow', 'on')),
    rules       text    NOT NULL,
    round_at_ms bigint  NOT NULL
) WITH (fillfactor = 50);
INSERT INTO risk_state (mode, rules, round_at_ms) VALUES ('off', '', 0);

-- Users whose wallets have changed since they were looked at, perhaps several times. A round deletes what it has judged in
-- its own transaction, so no change is missed, whenever its transaction commits and whichever server makes the round.
CREATE TABLE risk_activity (user_id bigint NOT NULL);

CREATE FUNCTION risk_of_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM risk_state WHERE mode <> 'off') THEN
        INSERT INTO risk_activity (user_id) SELECT DISTINCT user_id FROM added;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER risk AFTER INSERT ON entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION risk_of_entries();

-- The rules that decisions name, so that a decision can be explained after the file was changed.
CREATE TABLE risk_rules (
    version    text   PRIMARY KEY,
    rules      jsonb  NOT NULL,
    used_at_ms bigint NOT NULL
);
CREATE TRIGGER risk_rules_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON risk_rules EXECUTE FUNCTION refuse_change();

-- `hits`: the rules that were true. `events`: what the chat backend is asked for. `errors`: rules that failed, and why.
CREATE TABLE risk_decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id     bigint NOT NULL CHECK (is_user(user_id)),
    at_ms       bigint NOT NULL,
    mode        text   NOT NULL CHECK (mode IN ('shadow', 'on')),
    rules       text   NOT NULL REFERENCES risk_rules,
    action      text   NOT NULL CHECK (action IN
                    ('allow', 'delay', 'challenge', 'review', 'limit', 'deny', 'freeze')),
    hits        text[] NOT NULL,
    events      text[] NOT NULL DEFAULT '{}',
    errors      jsonb  NOT NULL,
    facts       jsonb  NOT NULL
);
CREATE INDEX risk_decisions_of_user ON risk_decisions (user_id, decision_id);
CREATE INDEX risk_decisions_hits ON risk_decisions (decision_id) WHERE action <> 'allow';
CREATE INDEX risk_decisions_by_time ON risk_decisions USING brin (at_ms);
CREATE TRIGGER risk_decisions_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON risk_decisions EXECUTE FUNCTION refuse_change();

-- The chat backend is asked once: again only after a decision that did not ask for it.
CREATE FUNCTION webhooks_of_risk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events('risk.' || event, array_agg(decision_id), array_agg(0::bigint), array_agg(0::bigint),
                                   array_agg(at_ms))
        FROM added CROSS JOIN LATERAL unnest(events) AS event
        WHERE mode = 'on' AND NOT EXISTS (
            SELECT FROM (
                SELECT o.events FROM risk_decisions o
                WHERE o.user_id = added.user_id AND o.decision_id < added.decision_id AND o.mode = 'on'
                ORDER BY o.decision_id DESC LIMIT 1
            ) AS last WHERE event = ANY(last.events)
        )
        GROUP BY event;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER webhooks AFTER INSERT ON risk_decisions REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION webhooks_of_risk();

-- What is in force for a user (mode on). `says`: what a refused request is told. A user who was released by an operator
-- is left alone until then.
CREATE TABLE risk_verdicts (
    user_id           bigint  PRIMARY KEY CHECK (is_user(user_id)),
    decision_id       bigint  NOT NULL,
    action            text    NOT NULL,
    holds_withdrawals boolean NOT NULL,
    send_fen_a_day    bigint  CHECK (send_fen_a_day >= 0),
    says              text    NOT NULL,
    checked_at_ms     bigint  NOT NULL,
    released_until_ms bigint  NOT NULL DEFAULT 0,
    version           bigint  NOT NULL DEFAULT 1
) WITH (fillfactor = 80);
CREATE INDEX risk_verdicts_due ON risk_verdicts (checked_at_ms) WHERE action NOT IN ('allow', 'freeze');
CREATE TRIGGER notify_change AFTER UPDATE ON risk_verdicts FOR EACH ROW
    WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION notify_change('risk', 'user_id', 'version');
CREATE TRIGGER notify_insert AFTER INSERT ON risk_verdicts FOR EACH ROW
    WHEN (NEW.action <> 'allow') EXECUTE FUNCTION notify_change('risk', 'user_id', 'version');

CREATE TABLE risk_releases (
    user_id     bigint NOT NULL,
    at_ms       bigint NOT NULL,
    decision_id bigint NOT NULL,
    uid         bigint NOT NULL,  -- the user of the system who released them
    reason      text   NOT NULL CHECK (reason <> ''),
    until_ms    bigint NOT NULL,
    PRIMARY KEY (user_id, at_ms)
);
CREATE TRIGGER risk_releases_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON risk_releases EXECUTE FUNCTION refuse_change();
