-- Packets in a sponsor's name for groups, and webhooks of bills.

ALTER TABLE packets DROP CONSTRAINT packets_kind_check;
ALTER TABLE packets ADD CONSTRAINT packets_kind_check
    CHECK (kind IN ('lucky', 'equal', 'personal', 'shake', 'fission', 'exclusive', 'password', 'enterprise',
                    'enterprise_lucky', 'enterprise_equal')) NOT VALID;

-- A bill is for a user, or for a group: `kind` is that of its packet, which has `shares` shares of `amount_fen` in all.
ALTER TABLE bills RENAME user_id TO target_id;
ALTER TABLE bills DROP CONSTRAINT bills_check;
ALTER TABLE bills ADD kind text NOT NULL DEFAULT 'enterprise';
ALTER TABLE bills ADD shares integer NOT NULL DEFAULT 1;
ALTER TABLE bills ADD CONSTRAINT bills_target CHECK (
    target_id <> sponsor_id AND shares > 0
    AND CASE kind WHEN 'enterprise' THEN is_user(target_id) AND shares = 1
                  ELSE kind IN ('enterprise_lucky', 'enterprise_equal') AND NOT is_user(target_id) END
) NOT VALID;

-- Each attempt at a bill that was refused: `bills.failed` says it only until the bill is tried again.
CREATE TABLE bill_failures (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sponsor_id bigint NOT NULL,
    bill       text   NOT NULL,
    reason     text   NOT NULL CHECK (reason <> ''),
    at_ms      bigint NOT NULL
);
CREATE INDEX bill_failures_of_bill ON bill_failures (sponsor_id, bill);

CREATE FUNCTION webhooks_of_bill_failures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events('bill.failed', array_agg(number), array_agg(0::bigint), array_agg(0::bigint),
                                   array_agg(at_ms))
        FROM added HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER webhooks AFTER INSERT ON bill_failures REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION webhooks_of_bill_failures();

-- The subject of the other events of a bill is its packet: number 1 when it is sent, 2 at its end.
CREATE OR REPLACE FUNCTION webhooks_of_packets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events('packet.sent', array_agg(packet_id), array_agg(1::bigint), array_agg(0::bigint),
                                   array_agg(created_at_ms))
        FROM added WHERE kind <> 'shake' HAVING count(*) > 0;
        PERFORM add_webhook_events('bill.sent', array_agg(packet_id), array_agg(1::bigint), array_agg(0::bigint),
                                   array_agg(created_at_ms))
        FROM added WHERE kind IN ('enterprise', 'enterprise_lucky', 'enterprise_equal') HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END
$$;

-- As in 0014, and the end of a bill with that of its packet.
CREATE OR REPLACE FUNCTION webhooks_of_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events('packet.claimed', array_agg(packet_id),
                                   array_agg(least(first + 500, end_index) + 1::bigint),
                                   array_agg(first + 1::bigint), array_agg(at_ms))
        FROM added, generate_series(first_index, end_index - 1, 500) AS first
        WHERE reminder = 1 AND is_user(stream_id)
        HAVING count(*) > 0;
        -- Planned each time: a plan that was made while `packets` was small, and kept, would read all of it.
        EXECUTE $query$
            WITH ended AS (
                SELECT reminder, packet_id, kind, shares, version, added.at_ms
                FROM added JOIN packets USING (packet_id)
                WHERE reminder IN (2, 3) AND is_user(stream_id)
            ), told AS (
                SELECT CASE reminder WHEN 2 THEN 'packet.finished' ELSE 'packet.refunded' END AS type, packet_id,
                       shares + 2::bigint AS number, version + 1::bigint AS previous, at_ms
                FROM ended
                UNION ALL
                SELECT CASE reminder WHEN 2 THEN 'bill.received' ELSE 'bill.refunded' END, packet_id, 2, 1, at_ms
                FROM ended WHERE kind IN ('enterprise', 'enterprise_lucky', 'enterprise_equal')
            )
            SELECT add_webhook_events(type, array_agg(packet_id), array_agg(number), array_agg(previous), array_agg(at_ms))
            FROM told GROUP BY type
        $query$;
    END IF;
    RETURN NULL;
END
$$;

-- The bills of a sponsor, the newest first.
CREATE INDEX bills_of_sponsor ON bills (sponsor_id, asked_at_ms, number);
