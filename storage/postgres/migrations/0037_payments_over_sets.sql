-- Cards and payments with several sets of PostgreSQL (docs/design.md, "Several sets of PostgreSQL"): payments are in the set of
-- their user, statements of banks and what they differ in are in set 0, corrections are beside what they move.

-- Payments of other sets while a statement is compared with them, in the transaction that does it: no other one sees them.
CREATE UNLOGGED TABLE payments_of_sets (
    number        bigint PRIMARY KEY,
    gateway       text   NOT NULL,
    kind          text   NOT NULL,
    account       text   NOT NULL,
    amount_fen    bigint NOT NULL,
    state         text   NOT NULL,
    created_at_ms bigint NOT NULL,
    changed_at_ms bigint NOT NULL
);
CREATE VIEW known_payments AS
SELECT number, gateway, kind, account, amount_fen, state, created_at_ms, changed_at_ms FROM payments
UNION ALL
SELECT * FROM payments_of_sets;

-- A correction is in the set of the wallet that it moves, its break may be in another one. It is held while one cites it.
ALTER TABLE corrections DROP CONSTRAINT corrections_break_id_fkey;
