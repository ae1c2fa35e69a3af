-- Statements of banks beside our payments, the differences between both books, and the transfers that correct them.

-- The day of Beijing of a moment, and the first moment of a day (server/core/reconciliation/days).
CREATE FUNCTION beijing_day(at_ms bigint) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN date '1970-01-01' + ((at_ms + 28800000) / 86400000)::integer;
CREATE FUNCTION beijing_day_ms(day date) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (day - date '1970-01-01')::bigint * 86400000 - 28800000;

-- The bank's name of the card that a payment was made with; '': not known, and then not compared.
ALTER TABLE payments ADD account text NOT NULL DEFAULT '';
CREATE INDEX payments_succeeded ON payments (gateway, changed_at_ms) WHERE state = 'succeeded';

-- From which day (of Beijing) on a gateway is expected to have statements: the first day that it was configured.
CREATE TABLE statement_sources (
    gateway text PRIMARY KEY,
    since   date NOT NULL
);

-- One row for each statement that was imported. The current one of a day has its highest issue; the others are history.
-- `matched_at_ms`: when its rows were compared with our payments; null: not yet.
CREATE TABLE statements (
    statement_id   bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway        text     NOT NULL,
    merchant       text     NOT NULL,
    day            date     NOT NULL,
    issue          smallint NOT NULL CHECK (issue BETWEEN 1 AND 9),
    rows           integer  NOT NULL CHECK (rows >= 0),
    sha256         text     NOT NULL,
    serial         text     NOT NULL,
    signature      text     NOT NULL,
    is_current     boolean  NOT NULL,
    imported_at_ms bigint   NOT NULL,
    imported_uid   bigint   NOT NULL,
    matched_at_ms  bigint,
    UNIQUE (gateway, day, issue)
);
CREATE UNIQUE INDEX statements_current ON statements (gateway, day) WHERE is_current;
CREATE INDEX statements_unmatched ON statements (statement_id) WHERE matched_at_ms IS NULL;

-- Its lines, as the bank wrote them (`at` as COPY reads it). `number` may be none of ours: `payment` is it as a number.
-- No foreign key: both are written in one transaction, and a check for each of a million rows would take half the time.
CREATE TABLE statement_rows (
    statement_id bigint  NOT NULL,
    line         integer NOT NULL CHECK (line > 0),
    bank_ref     text    NOT NULL,
    number       text    NOT NULL,
    kind         text    NOT NULL,
    account      text    NOT NULL,
    amount_fen   bigint  NOT NULL CHECK (amount_fen >= 0),
    state        text    NOT NULL,
    at           timestamptz NOT NULL,
    payment      bigint  GENERATED ALWAYS AS (CASE WHEN number ~ '^[1-9][0-9]{0,18}$' AND length(number) < 19
        OR number ~ '^[1-9][0-9]{18}$' AND number COLLATE "C" <= '9223372036854775807' THEN number::bigint END) STORED,
    PRIMARY KEY (statement_id, line)
);
CREATE INDEX statement_rows_of_ref ON statement_rows (bank_ref);
CREATE INDEX statement_rows_of_payment ON statement_rows (payment) WHERE payment IS NOT NULL;
CREATE TRIGGER statement_rows_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON statement_rows EXECUTE FUNCTION refuse_change();

-- How many rows of a statement had a class when it was last matched; ours_only counts payments.
CREATE TABLE statement_results (
    statement_id bigint NOT NULL REFERENCES statements,
    class        text   NOT NULL,
    rows         bigint NOT NULL,
    amount_fen   bigint NOT NULL,
    PRIMARY KEY (statement_id, class)
);

-- Breaks: evidence that contradicts the end of a payment (number, version), or what a statement and our payments differ
-- in. `subject` names a break among those of its class. It counts from `due_at_ms` on: until then it is in doubt.
-- `closed_uid` is null if a later statement has resolved it.
ALTER TABLE payment_breaks
    DROP CONSTRAINT payment_breaks_pkey,
    ALTER number DROP NOT NULL,
    ALTER version DROP NOT NULL,
    ADD break_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ADD class          text   NOT NULL DEFAULT 'contradiction' CHECK (class IN ('contradiction', 'bank_only',
        'ours_only', 'amount', 'state', 'duplicate', 'other_day', 'other_account')),
    ADD gateway        text   NOT NULL DEFAULT '',
    ADD subject        text   NOT NULL DEFAULT '',
    ADD bank_ref       text   NOT NULL DEFAULT '',
    ADD statement_id   bigint REFERENCES statements,
    ADD line           integer,
    ADD day            date,
    ADD difference_fen bigint,
    ADD due_at_ms      bigint NOT NULL DEFAULT 0,
    ADD owner_uid      bigint,
    ADD owned_at_ms    bigint,
    ADD closed_at_ms   bigint,
    ADD closed_uid     bigint,
    ADD reason         text   NOT NULL DEFAULT '',
    ADD CHECK ((class = 'contradiction') = (version IS NOT NULL)),
    ADD CHECK (closed_at_ms IS NULL OR reason <> ''),
    ADD UNIQUE (number, version);
CREATE UNIQUE INDEX payment_breaks_open ON payment_breaks (gateway, class, subject)
    WHERE closed_at_ms IS NULL AND class <> 'contradiction';
CREATE INDEX payment_breaks_of_subject ON payment_breaks (gateway, class, subject) WHERE class <> 'contradiction';

-- Corrections: a transfer that one user of the system proposes and another one approves. It cites its break.
CREATE TABLE corrections (
    correction_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    break_id       bigint NOT NULL REFERENCES payment_breaks,
    debit_account  bigint NOT NULL,
    credit_account bigint NOT NULL CHECK (credit_account <> debit_account),
    amount_fen     bigint NOT NULL CHECK (amount_fen > 0),
    state          text   NOT NULL DEFAULT 'proposed' CHECK (state IN ('proposed', 'approved', 'rejected')),
    proposed_uid   bigint NOT NULL,
    proposed_at_ms bigint NOT NULL,
    decided_uid    bigint,
    decided_at_ms  bigint,
    reason         text   NOT NULL DEFAULT '',
    CHECK ((state = 'proposed') = (decided_uid IS NULL) AND (decided_uid IS NULL) = (decided_at_ms IS NULL)),
    CONSTRAINT corrections_by_two CHECK (state <> 'approved' OR decided_uid <> proposed_uid)
);
CREATE INDEX corrections_of_break ON corrections (break_id);

CREATE FUNCTION refuse_other_correction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'correction % was decided: it stays %', OLD.correction_id, OLD.state;
END $$;
CREATE TRIGGER corrections_stay_decided BEFORE UPDATE ON corrections FOR EACH ROW
    WHEN (OLD.state <> 'proposed') EXECUTE FUNCTION refuse_other_correction();

-- 15 is a correction, between wallets and accounts of the system; the money of a packet is not corrected.
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
    WHEN 13 THEN is_user(debit_account) AND is_user(credit_account) AND debit_account <> credit_account AND key <> ''
    WHEN 14 THEN is_user(debit_account) AND credit_account = 0 AND key <> ''
    WHEN 15 THEN debit_account <= 9007199254740991 AND credit_account <= 9007199254740991
        AND debit_account <> credit_account AND key <> ''
    ELSE false END) NOT VALID;
