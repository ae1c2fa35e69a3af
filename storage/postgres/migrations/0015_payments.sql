-- Payments: money that another book holds comes in for a packet, or goes back out. A row is committed before the call.

-- `number` is the idempotency key of every call. `key` and `content`: the send that a charge pays. `version` counts the
-- rows of evidence. `next_try_ms`: when it is asked again, or, while a server asks, the end of that server's lease.
-- `reason`: why it failed, or why its packet was not sent. `packet_id`: the packet that it paid.
CREATE TABLE payments (
    number        bigint  PRIMARY KEY CHECK (number > 9007199254740991),
    gateway       text    NOT NULL,
    kind          text    NOT NULL CHECK (kind IN ('charge', 'payout')),
    user_id       bigint  NOT NULL CHECK (is_user(user_id)),
    amount_fen    bigint  NOT NULL CHECK (amount_fen > 0),
    key           text,
    content       text,
    state         text    NOT NULL DEFAULT 'created'
        CHECK (state IN ('created', 'submitted', 'succeeded', 'failed', 'unknown')),
    version       bigint  NOT NULL DEFAULT 0,
    attempts      integer NOT NULL DEFAULT 0,
    next_try_ms   bigint  NOT NULL,
    created_at_ms bigint  NOT NULL,
    changed_at_ms bigint  NOT NULL,
    reason        text    NOT NULL DEFAULT '',
    packet_id     bigint,
    CHECK ((kind = 'charge') = (key IS NOT NULL) AND (key IS NULL) = (content IS NULL)),
    CHECK (packet_id IS NULL OR (kind = 'charge' AND state = 'succeeded'))
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX payments_of_send ON payments (user_id, key) WHERE kind = 'charge';
-- What goes out to a user waits until the payout before it has ended, so it is one.
CREATE UNIQUE INDEX payments_open_payout ON payments (user_id)
    WHERE kind = 'payout' AND state IN ('created', 'submitted', 'unknown');
CREATE INDEX payments_failed_payouts ON payments (user_id, changed_at_ms) WHERE kind = 'payout' AND state = 'failed';
CREATE INDEX payments_due ON payments (next_try_ms) WHERE state IN ('created', 'submitted', 'unknown');

CREATE FUNCTION refuse_other_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'payment % has ended: it stays %', OLD.number, OLD.state;
END $$;
CREATE TRIGGER payments_stay_ended BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (OLD.state IN ('succeeded', 'failed') AND NEW.state <> OLD.state) EXECUTE FUNCTION refuse_other_end();

-- All that was heard or done about a payment, in order. `source`: the call, or `submit`, the start of one.
CREATE TABLE payment_evidence (
    number  bigint NOT NULL REFERENCES payments,
    version bigint NOT NULL CHECK (version > 0),
    at_ms   bigint NOT NULL,
    source  text   NOT NULL,
    verdict text   NOT NULL,
    detail  text   NOT NULL DEFAULT '',
    state   text   NOT NULL,
    PRIMARY KEY (number, version)
);
CREATE TRIGGER payment_evidence_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_evidence
    EXECUTE FUNCTION refuse_change();

-- Evidence that contradicts what a payment has ended with, or says another amount or user.
CREATE TABLE payment_breaks (
    number  bigint NOT NULL,
    version bigint NOT NULL,
    at_ms   bigint NOT NULL,
    detail  text   NOT NULL,
    PRIMARY KEY (number, version),
    FOREIGN KEY (number, version) REFERENCES payment_evidence
);

-- 9 is a charge, 10 a payout that was ordered, 11 one that has arrived, 12 one that came back. -2 is in transit.
ALTER TABLE transfers DROP CONSTRAINT transfers_accounts;
ALTER TABLE transfers ADD CONSTRAINT transfers_accounts CHECK (CASE kind
    WHEN 1 THEN debit_account = 0 AND is_user(credit_account) AND key <> ''
    WHEN 2 THEN credit_account = 0 AND is_user(debit_account) AND key <> ''
    WHEN 3 THEN is_user(debit_account) AND credit_account > 9007199254740991 AND key = ''
    WHEN 4 THEN is_user(credit_account) AND debit_account > 9007199254740991 AND key = ''
    WHEN 5 THEN is_user(credit_account) AND debit_account > 9007199254740991 AND key = ''
    WHEN 6 THEN is_user(debit_account) AND credit_account <= 0 AND key <> ''
    WHEN 7 THEN is_user(debit_account) AND credit_account <= 0 AND key <> ''
    WHEN 8 THEN is_user(debit_account) AND credit_account <= 0 AND key <> ''
    WHEN 9 THEN debit_account = 0 AND is_user(credit_account) AND key <> ''
    WHEN 10 THEN is_user(debit_account) AND credit_account = -2 AND key <> ''
    WHEN 11 THEN debit_account = -2 AND credit_account = 0 AND key <> ''
    WHEN 12 THEN debit_account = -2 AND is_user(credit_account) AND key <> ''
    ELSE false END) NOT VALID;
