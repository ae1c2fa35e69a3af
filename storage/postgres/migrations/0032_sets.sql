-- Several databases as one record, its sets (docs/design.md, "Several sets of PostgreSQL"). A database that is the only
-- set has no row of these tables.

-- Which set has a user's wallet, packets and inbox; in set 0 alone, written once.
CREATE TABLE user_sets (
    user_id    bigint   PRIMARY KEY CHECK (is_user(user_id)),
    set_number smallint NOT NULL CHECK (set_number BETWEEN 0 AND 63)
);
CREATE TRIGGER user_sets_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON user_sets EXECUTE FUNCTION refuse_change();

-- What another set is to be told; written in the transaction that it tells of. `topic`: 0 the packet is sent, 2 it is
-- finished (both become posts in the stream), 5 the user `stream_id` had the best luck, with a claim of `at_ms`.
CREATE TABLE set_outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id bigint      NOT NULL,
    topic     smallint    NOT NULL CHECK (topic IN (0, 2, 5)),
    packet_id bigint      NOT NULL,
    at_ms     bigint      NOT NULL,
    made_at   timestamptz NOT NULL DEFAULT now()
);

-- What this set was told, so that twice is once.
CREATE TABLE told_by_sets (
    packet_id bigint   NOT NULL,
    topic     smallint NOT NULL,
    stream_id bigint   NOT NULL,
    at_ms     bigint   NOT NULL,
    PRIMARY KEY (packet_id, topic, stream_id, at_ms)
);

-- Facts of a record with several sets: `sets` is how many there are, `set_number` which of them this is, `record` the same
-- number in all of them.

-- Groups are in set 0, so a packet of another set names groups that are not here.
ALTER TABLE packet_groups DROP CONSTRAINT packet_groups_group_id_fkey;

-- 22: a claim is credited in the set of its user. Its credit account is the account in transit of that set: -100 - number.
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
    WHEN 16 THEN is_user(debit_account) AND credit_account = -2 AND key <> ''
    WHEN 17 THEN debit_account = -2 AND is_user(credit_account) AND key <> ''
    WHEN 18 THEN is_user(debit_account) AND credit_account > 9007199254740991 AND key = ''
    WHEN 19 THEN debit_account > 9007199254740991 AND credit_account > 9007199254740991
        AND debit_account <> credit_account AND key = ''
    WHEN 20 THEN debit_account > 9007199254740991 AND credit_account > 9007199254740991
        AND debit_account <> credit_account AND key = ''
    WHEN 21 THEN is_user(credit_account) AND debit_account > 9007199254740991 AND key = ''
    WHEN 22 THEN debit_account > 9007199254740991 AND credit_account BETWEEN -163 AND -100 AND key <> ''
    ELSE false END) NOT VALID;
