-- Corrections between wallets of two sets of PostgreSQL (docs/design.md, "Several sets of PostgreSQL"). A correction is in the set
-- of the wallet that it takes from. Its transfer (15) stands in both sets; transfers 23 and 24 bring its money from one to the
-- other, under the key of the correction.

-- Corrections whose money has left this set, and waits to arrive in that of the wallet which gets it.
CREATE TABLE corrections_between_sets (
    place         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    correction_id bigint      NOT NULL UNIQUE REFERENCES corrections,
    made_at       timestamptz NOT NULL DEFAULT now()
);

-- Corrections of other sets whose money has arrived here, as they are there: each arrives once.
CREATE TABLE corrections_of_sets (
    correction_id  bigint PRIMARY KEY,
    break_id       bigint NOT NULL,
    debit_account  bigint NOT NULL CHECK (is_user(debit_account)),
    credit_account bigint NOT NULL CHECK (is_user(credit_account) AND credit_account <> debit_account),
    amount_fen     bigint NOT NULL CHECK (amount_fen > 0),
    state          text   NOT NULL CHECK (state = 'approved'),
    proposed_uid   bigint NOT NULL,
    proposed_at_ms bigint NOT NULL,
    decided_uid    bigint NOT NULL CHECK (decided_uid <> proposed_uid),
    decided_at_ms  bigint NOT NULL,
    reason         text   NOT NULL
);
CREATE TRIGGER corrections_of_sets_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON corrections_of_sets EXECUTE FUNCTION refuse_change();
