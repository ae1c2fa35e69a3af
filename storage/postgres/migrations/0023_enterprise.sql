-- Packets in the name of a sponsor: bills, and events that the chat backend reports.

ALTER TABLE packets DROP CONSTRAINT packets_kind_check;
ALTER TABLE packets ADD CONSTRAINT packets_kind_check
    CHECK (kind IN ('lucky', 'equal', 'personal', 'shake', 'fission', 'exclusive', 'password', 'enterprise')) NOT VALID;

-- The packet of a bill is that of its sponsor with the key 'bill:' and the number: its state is that of the bill.
-- `failed`: why no packet was sent; empty: it was sent, or that is not known yet. `asked_at_ms`: of the last attempt, by
-- which the bill counts for a day.
CREATE TABLE bills (
    sponsor_id  bigint NOT NULL CHECK (is_user(sponsor_id)),
    number      text   NOT NULL CHECK (octet_length(number) BETWEEN 1 AND 48),
    user_id     bigint NOT NULL CHECK (is_user(user_id) AND user_id <> sponsor_id),
    amount_fen  bigint NOT NULL CHECK (amount_fen > 0),
    greeting    text   NOT NULL,
    scene       text   NOT NULL,
    asked_at_ms bigint NOT NULL,
    failed      text   NOT NULL DEFAULT '',
    PRIMARY KEY (sponsor_id, number)
);
CREATE INDEX bills_of_day ON bills (sponsor_id, user_id, asked_at_ms);

-- What a sponsor gives for an event. The seed is sealed, as those of trees are.
CREATE TABLE event_ranges (
    sponsor_id bigint NOT NULL CHECK (is_user(sponsor_id)),
    kind       text   NOT NULL CHECK (kind IN ('follow', 'sign_up')),
    low_fen    bigint NOT NULL CHECK (low_fen > 0),
    high_fen   bigint NOT NULL CHECK (high_fen >= low_fen),
    greeting   text   NOT NULL,
    sealed     bytea  NOT NULL,
    key_id     text   NOT NULL,
    set_at_ms  bigint NOT NULL,
    PRIMARY KEY (sponsor_id, kind)
);

CREATE TABLE sponsor_events (
    sponsor_id bigint NOT NULL,
    event_id   text   NOT NULL CHECK (octet_length(event_id) BETWEEN 1 AND 64),
    kind       text   NOT NULL,
    user_id    bigint NOT NULL CHECK (is_user(user_id)),
    at_ms      bigint NOT NULL,
    PRIMARY KEY (sponsor_id, event_id)
);
