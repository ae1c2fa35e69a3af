-- Campaigns: sponsors, pools of shares that users win by shaking, leases of numbers of a pool, and who has won.

-- A sponsor is a user whom no client can log in as; the wallet pays for campaigns.
CREATE TABLE sponsors (
    user_id       bigint PRIMARY KEY CHECK (is_user(user_id)),
    name          text   NOT NULL CHECK (name <> ''),
    created_at_ms bigint NOT NULL
);

-- A campaign is also the account of its pool. The pool has the numbers 0 to shares - 1; what each is worth follows from
-- the deck and the seed, which is that of a packet (0009). Numbers from `next_number` on were never leased. `state` says
-- what the chat backend wants; once it has ended and all leases are closed, the rest goes back (`closed_at_ms`).
CREATE TABLE campaigns (
    campaign_id     bigint  PRIMARY KEY CHECK (campaign_id > 9007199254740991),
    sponsor_id      bigint  NOT NULL REFERENCES sponsors,
    key             text    NOT NULL,
    name            text    NOT NULL,
    greeting        text    NOT NULL,
    cover           text    NOT NULL,
    group_id        bigint  NOT NULL,
    highlighted     boolean NOT NULL,
    shares          bigint  NOT NULL CHECK (shares > 0),
    budget_fen      bigint  NOT NULL CHECK (budget_fen > 0),
    share_fen_min   bigint  NOT NULL CHECK (share_fen_min > 0),
    share_fen_max   bigint  NOT NULL,
    per_user_limit  integer NOT NULL CHECK (per_user_limit > 0),
    deck            bytea   NOT NULL,
    seed_index      bigint  NOT NULL,
    client_seed     bytea   NOT NULL CHECK (length(client_seed) = 0 OR length(client_seed) BETWEEN 16 AND 32),
    commitment      bytea   NOT NULL CHECK (length(commitment) = 32),
    created_at_ms   bigint  NOT NULL,
    starts_at_ms    bigint  NOT NULL,
    ends_at_ms      bigint  NOT NULL CHECK (ends_at_ms > starts_at_ms),
    state           text    NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'paused', 'ended')),
    version         bigint  NOT NULL DEFAULT 1,
    next_number     bigint  NOT NULL DEFAULT 0 CHECK (next_number BETWEEN 0 AND shares),
    published_left  bigint  NOT NULL CHECK (published_left BETWEEN 0 AND shares),
    published_at_ms bigint  NOT NULL,
    closed_at_ms    bigint  CHECK (closed_at_ms IS NULL OR state = 'ended'),
    returned_fen    bigint  NOT NULL DEFAULT 0 CHECK (returned_fen BETWEEN 0 AND budget_fen),
    UNIQUE (sponsor_id, key),
    UNIQUE (sponsor_id, seed_index)
) WITH (fillfactor = 60);
CREATE INDEX campaigns_open ON campaigns (campaign_id) WHERE closed_at_ms IS NULL;

CREATE TRIGGER notify_change AFTER UPDATE ON campaigns FOR EACH ROW
    WHEN (OLD.version <> NEW.version)
    EXECUTE FUNCTION notify_change('campaign', 'campaign_id', 'version');
CREATE TRIGGER notify_insert AFTER INSERT ON campaigns FOR EACH ROW
    EXECUTE FUNCTION notify_change('campaign', 'campaign_id', 'version');

-- A lease is a packet (kind shake) with the numbers `first_number` to first_number + numbers - 1, in this order: its
-- share i is number first_number + i. So what is not won of it is a suffix: `rest` numbers, known when it is closed,
-- which `rest_lease` got again. `server_id`: the server that gives its shares away (servers).
CREATE TABLE leases (
    packet_id    bigint  PRIMARY KEY,
    campaign_id  bigint  NOT NULL REFERENCES campaigns,
    first_number bigint  NOT NULL CHECK (first_number >= 0),
    numbers      integer NOT NULL CHECK (numbers BETWEEN 1 AND 4096),
    server_id    bigint  NOT NULL,
    closed_at_ms bigint,
    rest         integer CHECK (rest BETWEEN 0 AND numbers),
    rest_lease   bigint,
    CHECK ((closed_at_ms IS NULL) = (rest IS NULL)),
    CHECK (rest_lease IS NULL OR rest > 0)
);
CREATE INDEX leases_of_campaign ON leases (campaign_id, first_number);
CREATE INDEX leases_open ON leases (server_id, campaign_id) WHERE closed_at_ms IS NULL;
CREATE INDEX leases_rests ON leases (campaign_id, first_number) WHERE rest > 0 AND rest_lease IS NULL;

-- The n-th win of a user in a campaign, which is a claim of a lease. Written with the claim.
CREATE TABLE wins (
    campaign_id bigint  NOT NULL,
    user_id     bigint  NOT NULL,
    n           integer NOT NULL CHECK (n > 0),
    packet_id   bigint  NOT NULL,
    index       integer NOT NULL,
    PRIMARY KEY (campaign_id, user_id, n)
);
CREATE TRIGGER wins_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON wins EXECUTE FUNCTION refuse_change();

-- Shakes that were answered in an hour, counted by the servers; `rests` and `nothings` of them because of overload.
CREATE TABLE campaign_hours (
    campaign_id bigint NOT NULL,
    at_ms       bigint NOT NULL,
    shakes      bigint NOT NULL,
    rests       bigint NOT NULL,
    nothings    bigint NOT NULL,
    PRIMARY KEY (campaign_id, at_ms)
);

ALTER TABLE packets DROP CONSTRAINT packets_kind_check;
ALTER TABLE packets ADD CONSTRAINT packets_kind_check CHECK (kind IN ('lucky', 'equal', 'personal', 'shake')) NOT VALID;

-- A lease has no seed: that of its campaign decides.
ALTER TABLE packets DROP CONSTRAINT packets_seed;
ALTER TABLE packets ADD CONSTRAINT packets_seed CHECK (
    CASE WHEN kind = 'shake' THEN num_nonnulls(seed, seed_index, client_seed, commitment) = 0
         WHEN seed IS NULL
         THEN num_nulls(seed_index, client_seed, commitment) = 0 AND length(commitment) = 32
              AND (length(client_seed) = 0 OR length(client_seed) BETWEEN 16 AND 32)
         ELSE num_nonnulls(seed_index, client_seed, commitment) = 0 END
) NOT VALID;

-- 18 pays for a campaign, 19 makes some of its shares a packet, 20 brings back those that were not won, 21 the rest.
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
    WHEN 18 THEN is_user(debit_account) AND credit_account > 9007199254740991 AND key = ''
    WHEN 19 THEN debit_account > 9007199254740991 AND credit_account > 9007199254740991
        AND debit_account <> credit_account AND key = ''
    WHEN 20 THEN debit_account > 9007199254740991 AND credit_account > 9007199254740991
        AND debit_account <> credit_account AND key = ''
    WHEN 21 THEN is_user(credit_account) AND debit_account > 9007199254740991 AND key = ''
    ELSE false END) NOT VALID;

-- Leases were sent by no user: no event tells of them. What a user wins is told by wallet.changed.
CREATE OR REPLACE FUNCTION webhooks_of_packets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events('packet.sent', array_agg(packet_id), array_agg(1::bigint), array_agg(0::bigint),
                                   array_agg(created_at_ms))
        FROM added WHERE kind <> 'shake' HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END
$$;
