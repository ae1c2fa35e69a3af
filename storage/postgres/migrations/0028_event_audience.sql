-- Campaigns for the users of whom an event was reported: who follows the sponsor, or has signed up.

-- The users of whom an event of a kind was reported to a sponsor, once each. `number` grows with the rows of a user (see
-- the change feed): rows of one user are made one after the other.
CREATE TABLE reported_users (
    sponsor_id bigint NOT NULL,
    kind       text   NOT NULL,
    user_id    bigint NOT NULL CHECK (is_user(user_id)),
    at_ms      bigint NOT NULL,
    number     bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (sponsor_id, kind, user_id)
);
INSERT INTO reported_users (sponsor_id, kind, user_id, at_ms)
SELECT sponsor_id, kind, user_id, min(at_ms) FROM sponsor_events GROUP BY sponsor_id, kind, user_id;
CREATE TRIGGER reported_users_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON reported_users EXECUTE FUNCTION refuse_change();
CREATE TRIGGER notify_insert AFTER INSERT ON reported_users FOR EACH ROW
    EXECUTE FUNCTION notify_change('event', 'user_id', 'number');

-- `event_kind`: only users of whom such an event of the sponsor was reported may shake; empty: all, or the group.
ALTER TABLE campaigns ADD event_kind text NOT NULL DEFAULT '';
ALTER TABLE campaigns ADD CONSTRAINT campaigns_event_kind CHECK (
    event_kind IN ('', 'follow', 'sign_up') AND (event_kind = '' OR group_id = 0)
) NOT VALID;
