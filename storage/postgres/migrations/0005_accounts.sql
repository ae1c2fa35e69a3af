-- Accounts of the system, an entry for every change of a wallet, the outbox, and what a database knows of itself.
-- Nothing here rewrites `transfers` or `messages`, or locks them for longer than a moment: new columns are null, the
-- new constraints are NOT VALID and are validated after the commit, beside the writers (storage/postgres/migrate).

CREATE FUNCTION is_user(number bigint) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN number BETWEEN 1 AND 9007199254740991;

-- The type that an account's number tells; the types of the system's own accounts stand in `accounts`.
CREATE FUNCTION account_type(account bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN account <= 0 THEN 'system' WHEN is_user(account) THEN 'wallet' ELSE 'packet' END;

-- What is neither a wallet nor a packet. 0 is the outside world in all older transfers and stays it; others are below.
CREATE TABLE accounts (
    account_id bigint PRIMARY KEY CHECK (account_id <= 0),
    type       text   NOT NULL
        CHECK (type IN ('outside', 'clearing', 'in_transit', 'suspense', 'sponsor', 'corrections')),
    name       text   NOT NULL DEFAULT '',
    CHECK ((account_id = 0) = (type = 'outside')),
    UNIQUE (type, name)
);
INSERT INTO accounts (account_id, type)
VALUES (0, 'outside'), (-1, 'clearing'), (-2, 'in_transit'), (-3, 'suspense'), (-4, 'corrections');

-- Pending transfers that are neither posted nor voided: the row is deleted by that which comes first.
CREATE TABLE pending_transfers (
    debit_account  bigint NOT NULL,
    credit_account bigint NOT NULL,
    key            text   NOT NULL,
    amount_fen     bigint NOT NULL CHECK (amount_fen > 0),
    PRIMARY KEY (debit_account, credit_account, key)
);

-- One row for each change of a wallet, written with it. (kind, account, key) name the transfer: `account` is the other
-- account of it. Kind 0 is the first entry of a wallet that is older than this table.
CREATE TABLE entries (
    user_id     bigint   NOT NULL,
    version     bigint   NOT NULL CHECK (version > 0),
    kind        smallint NOT NULL,
    account     bigint   NOT NULL,
    key         text     NOT NULL DEFAULT '',
    change_fen  bigint   NOT NULL,
    balance_fen bigint   NOT NULL CHECK (balance_fen >= 0),
    at_ms       bigint   NOT NULL,
    PRIMARY KEY (user_id, version)
);
CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON entries EXECUTE FUNCTION refuse_change();

INSERT INTO entries (user_id, version, kind, account, change_fen, balance_fen, at_ms)
SELECT user_id, version, 0, 0, 0, balance_fen, (extract(epoch FROM statement_timestamp()) * 1000)::bigint FROM wallets;

-- What a database knows of itself.
CREATE TABLE facts (
    name  text   PRIMARY KEY,
    value bigint NOT NULL
);

-- Ids from here on have a set in them (server/core/ids): the first millisecond behind all ids that exist.
INSERT INTO facts (name, value)
SELECT 'first_id', ((greatest(max(id), 9007199254740991) >> 22) + 1) << 22
FROM (SELECT max(packet_id) FROM packets UNION ALL SELECT max(group_id) FROM groups) AS largest (id);

-- Posts that wait for their number; written in the transaction that moved the money. `message` is the number, once the
-- post stands in its stream: then it is pushed, and the row deleted.
CREATE TABLE outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id bigint   NOT NULL,
    reminder  smallint NOT NULL CHECK (reminder BETWEEN 1 AND 3),
    packet_id bigint   NOT NULL,
    user_ids  bigint[],
    at_ms     bigint   NOT NULL,
    message   bigint
) WITH (fillfactor = 60);

-- Last, so that these tables are locked for a moment only.

-- A post that tells what became of a packet: 1 claims (of `user_ids`), 2 its finish, 3 its refund. Null: a packet or a
-- text, as before.
ALTER TABLE messages ADD reminder smallint, ADD user_ids bigint[];
ALTER TABLE messages ADD CONSTRAINT messages_reminder
    CHECK (reminder IS NULL OR (reminder BETWEEN 1 AND 3 AND packet_id IS NOT NULL)) NOT VALID;

-- 6 is pending, 7 posts and 8 voids it. Which types of the system's accounts a kind may use is the table in
-- server/core/ledger, checked by the audit.
ALTER TABLE transfers DROP CONSTRAINT transfers_check;
ALTER TABLE transfers ADD CONSTRAINT transfers_accounts CHECK (CASE kind
    WHEN 1 THEN debit_account = 0 AND is_user(credit_account) AND key <> ''
    WHEN 2 THEN credit_account = 0 AND is_user(debit_account) AND key <> ''
    WHEN 3 THEN is_user(debit_account) AND credit_account > 9007199254740991 AND key = ''
    WHEN 4 THEN is_user(credit_account) AND debit_account > 9007199254740991 AND key = ''
    WHEN 5 THEN is_user(credit_account) AND debit_account > 9007199254740991 AND key = ''
    WHEN 6 THEN is_user(debit_account) AND credit_account <= 0 AND key <> ''
    WHEN 7 THEN is_user(debit_account) AND credit_account <= 0 AND key <> ''
    WHEN 8 THEN is_user(debit_account) AND credit_account <= 0 AND key <> ''
    ELSE false END) NOT VALID;

-- What pending transfers keep back; it is in the balance until they are posted.
ALTER TABLE wallets ADD pending_fen bigint NOT NULL DEFAULT 0;
ALTER TABLE wallets ADD CONSTRAINT wallets_pending CHECK (pending_fen BETWEEN 0 AND balance_fen) NOT VALID;
