-- The books, the packets and the chat. Amounts in fen, times in milliseconds since 1970.
-- Numbers up to 2^53-1 are users, larger ones are groups and packets, 0 is the outside world.

CREATE TABLE groups (
    group_id      bigint PRIMARY KEY CHECK (group_id > 9007199254740991),
    name          text   NOT NULL,
    owner_id      bigint NOT NULL,
    created_at_ms bigint NOT NULL
);

-- A row stays when its user leaves, so that the audit can tell who was ever allowed to open.
CREATE TABLE memberships (
    group_id     bigint NOT NULL REFERENCES groups,
    user_id      bigint NOT NULL CHECK (user_id BETWEEN 1 AND 9007199254740991),
    joined_at_ms bigint NOT NULL,
    left_at_ms   bigint,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX memberships_of_user ON memberships (user_id) WHERE left_at_ms IS NULL;

-- A stream is a group's messages or, under a user's id, their inbox. Numbers run 1, 2, 3, … without a gap.
CREATE TABLE streams (
    stream_id    bigint PRIMARY KEY,
    last_message bigint NOT NULL CHECK (last_message >= 0)
) WITH (fillfactor = 50);

CREATE TABLE messages (
    stream_id bigint NOT NULL,
    message   bigint NOT NULL CHECK (message > 0),
    sender_id bigint NOT NULL,
    at_ms     bigint NOT NULL,
    text      text,
    packet_id bigint,
    PRIMARY KEY (stream_id, message),
    CHECK (num_nonnulls(text, packet_id) = 1)
);

CREATE TABLE wallets (
    user_id     bigint PRIMARY KEY CHECK (user_id BETWEEN 1 AND 9007199254740991),
    balance_fen bigint NOT NULL CHECK (balance_fen >= 0)
) WITH (fillfactor = 50);

-- `version` is the number of claims made; it only moves from the version a batch was built on.
CREATE TABLE packets (
    packet_id     bigint PRIMARY KEY CHECK (packet_id > 9007199254740991),
    sender_id     bigint NOT NULL,
    key           text   NOT NULL,
    kind          text   NOT NULL CHECK (kind IN ('lucky', 'equal', 'personal')),
    target_id     bigint NOT NULL,
    total_fen     bigint NOT NULL CHECK (total_fen > 0),
    shares        integer NOT NULL CHECK (shares > 0),
    share_fen_min bigint NOT NULL CHECK (share_fen_min > 0),
    share_fen_max bigint NOT NULL,
    greeting      text   NOT NULL,
    seed          bytea  NOT NULL CHECK (length(seed) = 32),
    created_at_ms bigint NOT NULL,
    expires_at_ms bigint NOT NULL CHECK (expires_at_ms > created_at_ms),
    version       integer NOT NULL DEFAULT 0 CHECK (version BETWEEN 0 AND shares),
    claimed_fen   bigint NOT NULL DEFAULT 0,
    refunded_fen  bigint NOT NULL DEFAULT 0 CHECK (refunded_fen >= 0),
    closed_at_ms  bigint,
    UNIQUE (sender_id, key),
    CHECK (total_fen BETWEEN shares * share_fen_min AND shares * share_fen_max),
    CHECK (claimed_fen + refunded_fen <= total_fen),
    CHECK (claimed_fen BETWEEN version * share_fen_min AND version * share_fen_max),
    -- finished: nothing left, nothing refunded; closed without being finished: refunded in full
    CHECK ((version < shares) = (claimed_fen < total_fen)),
    CHECK (version < shares OR closed_at_ms IS NOT NULL),
    CHECK ((closed_at_ms IS NULL AND refunded_fen = 0) OR claimed_fen + refunded_fen = total_fen)
) WITH (fillfactor = 60);
CREATE INDEX packets_open ON packets (expires_at_ms) WHERE closed_at_ms IS NULL;

-- No foreign key: a batch inserts claims only for packet rows that it has just moved, in the same transaction;
-- a check per row would cost a third of the throughput. The audit looks for orphans.
CREATE TABLE claims (
    packet_id  bigint  NOT NULL,
    index      integer NOT NULL CHECK (index >= 0),
    user_id    bigint  NOT NULL CHECK (user_id BETWEEN 1 AND 9007199254740991),
    amount_fen bigint  NOT NULL CHECK (amount_fen > 0),
    at_ms      bigint  NOT NULL,
    PRIMARY KEY (packet_id, index),
    UNIQUE (packet_id, user_id)
);

-- Claims whose money is not in a wallet yet; written with the claim, deleted with the crediting transfer.
CREATE TABLE settlement_queue (
    packet_id  bigint NOT NULL,
    user_id    bigint NOT NULL,
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    queued_at_ms bigint NOT NULL
);
CREATE INDEX settlement_queue_largest ON settlement_queue (amount_fen DESC);

-- Double entry. The key is '' for movements of packets, of which there is one a kind between two accounts.
CREATE TABLE transfers (
    debit_account  bigint   NOT NULL,
    credit_account bigint   NOT NULL,
    kind           smallint NOT NULL,
    key            text     NOT NULL,
    amount_fen     bigint   NOT NULL CHECK (amount_fen > 0),
    at_ms          bigint   NOT NULL,
    PRIMARY KEY (debit_account, credit_account, kind, key),
    CHECK (CASE kind
        WHEN 1 THEN debit_account = 0 AND credit_account BETWEEN 1 AND 9007199254740991 AND key <> ''
        WHEN 2 THEN credit_account = 0 AND debit_account BETWEEN 1 AND 9007199254740991 AND key <> ''
        WHEN 3 THEN debit_account BETWEEN 1 AND 9007199254740991 AND credit_account > 9007199254740991 AND key = ''
        WHEN 4 THEN credit_account BETWEEN 1 AND 9007199254740991 AND debit_account > 9007199254740991 AND key = ''
        WHEN 5 THEN credit_account BETWEEN 1 AND 9007199254740991 AND debit_account > 9007199254740991 AND key = ''
        ELSE false END)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% are made once and never changed', TG_TABLE_NAME;
END $$;
CREATE TRIGGER transfers_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers EXECUTE FUNCTION refuse_change();
CREATE TRIGGER claims_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON claims EXECUTE FUNCTION refuse_change();
