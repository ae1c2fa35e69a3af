-- Fission: packets that friends pass on, and who was admitted by whose link.

-- A kind is checked by the program that records it, as text; the list here keeps other programs out.
ALTER TABLE packets DROP CONSTRAINT packets_kind_check;
ALTER TABLE packets ADD CONSTRAINT packets_kind_check
    CHECK (kind IN ('lucky', 'equal', 'personal', 'shake', 'fission')) NOT VALID;

-- One row for each friend who has shown a link while shares were left. `depth`: steps from the user who received the
-- packet, `depth_max`: how many were allowed. `number` grows with the admissions of a user (see the change feed).
CREATE TABLE admissions (
    packet_id bigint   NOT NULL,
    user_id   bigint   NOT NULL CHECK (is_user(user_id)),
    from_user bigint   NOT NULL CHECK (is_user(from_user) AND from_user <> user_id),
    depth     smallint NOT NULL CHECK (depth >= 1),
    depth_max smallint NOT NULL CHECK (depth <= depth_max),
    at_ms     bigint   NOT NULL,
    number    bigint   GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (packet_id, user_id)
);
CREATE INDEX admissions_of_user ON admissions (user_id, number);
CREATE UNIQUE INDEX admissions_number ON admissions (number);

CREATE TRIGGER notify_insert AFTER INSERT ON admissions FOR EACH ROW
    EXECUTE FUNCTION notify_change('admission', 'user_id', 'number');

CREATE FUNCTION webhooks_of_admissions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events('link.shown', array_agg(number), array_agg(0::bigint), array_agg(0::bigint),
                                   array_agg(at_ms))
        FROM added HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER webhooks AFTER INSERT ON admissions REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION webhooks_of_admissions();
