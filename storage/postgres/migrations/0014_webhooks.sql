-- Webhooks: events are written by triggers, in the transaction that they tell of, with a delivery for each endpoint.
-- Without an enabled endpoint a trigger reads one row of `webhook_endpoints` that is not there, and writes nothing.

-- `types`: the types of event that are wanted; empty: all. `previous_secret` also signs until `previous_until_ms`.
-- `state`: gone: the receiver answered 410. removed: a last pass deletes the deliveries, then the row.
CREATE TABLE webhook_endpoints (
    endpoint_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name              text   NOT NULL CHECK (name <> ''),
    url               text   NOT NULL,
    types             text[] NOT NULL,
    state             text   NOT NULL DEFAULT 'enabled' CHECK (state IN ('enabled', 'disabled', 'gone', 'removed')),
    secret            bytea  NOT NULL CHECK (length(secret) BETWEEN 24 AND 64),
    previous_secret   bytea,
    previous_until_ms bigint NOT NULL DEFAULT 0,
    created_at_ms     bigint NOT NULL,
    changed_at_ms     bigint NOT NULL
);
CREATE UNIQUE INDEX webhook_endpoints_name ON webhook_endpoints (name) WHERE state <> 'removed';

-- `webhook_id` is not taken from the sequence: a restored database uses its numbers again. `subject` is a packet or a
-- user. `number` grows with the events of a subject, `previous` is the number of the event before (0: none).
CREATE TABLE webhook_events (
    event_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id uuid   NOT NULL DEFAULT gen_random_uuid(),
    type       text   NOT NULL,
    subject    bigint NOT NULL,
    number     bigint NOT NULL,
    previous   bigint NOT NULL,
    at_ms      bigint NOT NULL
);

-- `state`: 0 waiting, 1 delivered, 2 failed. `next_at_ms` is when it is due, or, while a server sends it, the end of
-- that server's lease. No foreign keys: they would lock rows of endpoints in transactions that move money.
CREATE TABLE webhook_deliveries (
    endpoint_id bigint   NOT NULL,
    event_id    bigint   NOT NULL,
    state       smallint NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 2),
    attempts    integer  NOT NULL DEFAULT 0,
    next_at_ms  bigint   NOT NULL,
    last_at_ms  bigint   NOT NULL DEFAULT 0,
    last_status smallint NOT NULL DEFAULT 0,  -- 0: no answer
    last_error  text     NOT NULL DEFAULT '',
    PRIMARY KEY (endpoint_id, event_id)
) WITH (fillfactor = 80);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_at_ms) WHERE state = 0;

CREATE FUNCTION add_webhook_events(
    event_type text, subjects bigint[], numbers bigint[], previous_numbers bigint[], times_ms bigint[]
) RETURNS void LANGUAGE sql AS $$
    WITH wanting AS (
        SELECT endpoint_id FROM webhook_endpoints
        WHERE state = 'enabled' AND (types = '{}' OR event_type = ANY(types))
    ), made AS (
        INSERT INTO webhook_events (type, subject, number, previous, at_ms)
        SELECT event_type, subject, number, previous, at_ms
        FROM unnest(subjects, numbers, previous_numbers, times_ms) AS e (subject, number, previous, at_ms)
        WHERE EXISTS (SELECT FROM wanting)
        ORDER BY subject, number
        RETURNING event_id, at_ms
    )
    INSERT INTO webhook_deliveries (endpoint_id, event_id, next_at_ms)
    SELECT endpoint_id, event_id, at_ms FROM made CROSS JOIN wanting
$$;

-- The numbers of a packet's events follow from its record: 1 the send, index + 2 the last claim of a group of them,
-- shares + 2 the end. So no counter is locked, and an event tells which one comes before it.
CREATE FUNCTION webhooks_of_packets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events('packet.sent', array_agg(packet_id), array_agg(1::bigint), array_agg(0::bigint),
                                   array_agg(created_at_ms))
        FROM added;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER webhooks AFTER INSERT ON packets REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION webhooks_of_packets();

-- What the outbox posts to a sender's inbox: claims, which it has folded, a finish, a refund (ReminderKind,
-- storage/postgres/chat/outbox.py). An event tells of 500 claims at most.
CREATE FUNCTION webhooks_of_messages() RETURNS trigger LANGUAGE plpgsql AS $$
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
            SELECT add_webhook_events(type, array_agg(packet_id), array_agg(shares + 2::bigint),
                                      array_agg(version + 1::bigint), array_agg(at_ms))
            FROM (
                SELECT CASE reminder WHEN 2 THEN 'packet.finished' ELSE 'packet.refunded' END AS type,
                       packet_id, shares, version, added.at_ms
                FROM added JOIN packets USING (packet_id)
                WHERE reminder IN (2, 3) AND is_user(stream_id)
            ) AS ended
            GROUP BY type
        $query$;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER webhooks AFTER INSERT ON messages REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION webhooks_of_messages();

-- An entry may stand for several transfers, each of which is one version of the wallet.
CREATE FUNCTION webhooks_of_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events('wallet.changed', array_agg(user_id), array_agg(version),
                                   array_agg(version - coalesce(cardinality(accounts), 1)), array_agg(at_ms))
        FROM added;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER webhooks AFTER INSERT ON entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION webhooks_of_entries();

-- The version of a user grows with other changes too, so no event tells which one comes before it.
CREATE FUNCTION webhooks_of_users() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events(
            CASE WHEN NEW.banned_at_ms IS NULL THEN 'user.unbanned' ELSE 'user.banned' END, ARRAY[NEW.user_id],
            ARRAY[NEW.version], ARRAY[0::bigint],
            ARRAY[coalesce(NEW.banned_at_ms, (extract(epoch FROM statement_timestamp()) * 1000)::bigint)]);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER webhooks_change AFTER UPDATE ON users FOR EACH ROW
    WHEN ((OLD.banned_at_ms IS NULL) <> (NEW.banned_at_ms IS NULL)) EXECUTE FUNCTION webhooks_of_users();
CREATE TRIGGER webhooks_insert AFTER INSERT ON users FOR EACH ROW
    WHEN (NEW.banned_at_ms IS NOT NULL) EXECUTE FUNCTION webhooks_of_users();
