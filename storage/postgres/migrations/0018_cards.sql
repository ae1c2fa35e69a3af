-- Cards, codes and pay passwords; payments by card, withdrawals, and movements that users or the chat backend order.

-- One row for each user who has paid with a card or a password, or has ordered a transfer. It is locked while a payment,
-- a card or a code of the user is counted. `password_hash`: argon2id of what the pepper makes of the password;
-- `pepper_id`: of which key. `failures`: attempts that have failed or are being made.
CREATE TABLE payers (
    user_id         bigint   PRIMARY KEY CHECK (is_user(user_id)),
    password_hash   text,
    pepper_id       text     NOT NULL DEFAULT '',
    failures        smallint NOT NULL DEFAULT 0,
    locked_until_ms bigint   NOT NULL DEFAULT 0
) WITH (fillfactor = 80);

-- A card has no number here. `card_ref`: the bank's name of the card, the same for each user who binds it. `sealed`: the
-- bank's token, the holder, the masked phone, under a key that is not in the database; null once it was forgotten.
CREATE TABLE cards (
    card_id       bigint PRIMARY KEY CHECK (card_id > 9007199254740991),
    user_id       bigint NOT NULL CHECK (is_user(user_id)),
    gateway       text   NOT NULL,
    card_ref      text   NOT NULL CHECK (card_ref <> ''),
    bank          text   NOT NULL,
    last4         text   NOT NULL CHECK (last4 ~ '^[0-9]{4}$'),
    sealed        bytea,
    key_id        text   NOT NULL,
    bound_at_ms   bigint NOT NULL,
    unbound_at_ms bigint
);
CREATE UNIQUE INDEX cards_bound ON cards (user_id, gateway, card_ref) WHERE unbound_at_ms IS NULL;
CREATE INDEX cards_of_card ON cards (gateway, card_ref) WHERE unbound_at_ms IS NULL;
CREATE INDEX cards_of_user ON cards (user_id);

-- A code that was sent to a phone. `code_mac`: HMAC of the code under key `mac_key_id`. `sealed`: with `bind` what is
-- known of the card; with `reset`, the code goes to the phone of `card_id`.
CREATE TABLE card_challenges (
    challenge_id  bigint   PRIMARY KEY CHECK (challenge_id > 9007199254740991),
    user_id       bigint   NOT NULL CHECK (is_user(user_id)),
    purpose       text     NOT NULL CHECK (purpose IN ('bind', 'reset')),
    card_id       bigint,
    gateway       text     NOT NULL,
    card_ref      text     NOT NULL CHECK (card_ref <> ''),
    bank          text     NOT NULL,
    last4         text     NOT NULL,
    sealed        bytea,
    key_id        text     NOT NULL,
    code_mac      bytea    NOT NULL,
    mac_key_id    text     NOT NULL,
    attempts      smallint NOT NULL,
    sends         smallint NOT NULL,
    sent_at_ms    bigint   NOT NULL,
    expires_at_ms bigint   NOT NULL,
    used_at_ms    bigint,
    created_at_ms bigint   NOT NULL,
    CHECK ((purpose = 'reset') = (card_id IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX card_challenges_of_user ON card_challenges (user_id, created_at_ms);
CREATE INDEX card_challenges_of_card ON card_challenges (gateway, card_ref, created_at_ms);

-- A charge without `content` is a top-up: its money stays in the wallet. A payout with a key is a withdrawal that its user
-- has asked for, once per key. `card_id`: the card that pays or is paid.
ALTER TABLE payments ADD COLUMN card_id bigint;
ALTER TABLE payments DROP CONSTRAINT payments_check;
ALTER TABLE payments ADD CONSTRAINT payments_key CHECK (
    (kind = 'payout' OR key IS NOT NULL) AND (kind = 'charge' OR content IS NULL) AND (key IS NOT NULL OR card_id IS NULL)
) NOT VALID;
DROP INDEX payments_open_payout, payments_failed_payouts;
CREATE UNIQUE INDEX payments_open_payout ON payments (user_id)
    WHERE kind = 'payout' AND key IS NULL AND state IN ('created', 'submitted', 'unknown');
CREATE INDEX payments_failed_payouts ON payments (user_id, changed_at_ms)
    WHERE kind = 'payout' AND key IS NULL AND state = 'failed';
CREATE UNIQUE INDEX payments_of_withdrawal ON payments (user_id, key) WHERE kind = 'payout';
CREATE INDEX payments_of_day ON payments (user_id, created_at_ms) WHERE key IS NOT NULL;

-- What moves money of a wallet at once: 13, a transfer to another user; 14, a pay that the chat backend orders (other_id 0).
-- The transfers (user, other, kind, key) hold the money, these rows the text, and one key for all receivers.
CREATE TABLE wallet_orders (
    user_id    bigint   NOT NULL CHECK (is_user(user_id)),
    kind       smallint NOT NULL CHECK (kind IN (13, 14)),
    key        text     NOT NULL CHECK (key <> ''),
    other_id   bigint   NOT NULL,
    amount_fen bigint   NOT NULL CHECK (amount_fen > 0),
    text       text     NOT NULL,
    at_ms      bigint   NOT NULL,
    PRIMARY KEY (user_id, kind, key),
    CHECK ((kind = 14) = (other_id = 0) AND other_id <> user_id)
);
CREATE INDEX wallet_orders_of_day ON wallet_orders (user_id, at_ms) WHERE kind = 13;
CREATE TRIGGER wallet_orders_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet_orders EXECUTE FUNCTION refuse_change();

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
    ELSE false END) NOT VALID;

CREATE FUNCTION webhooks_of_payments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM webhook_endpoints WHERE state = 'enabled') THEN
        PERFORM add_webhook_events('payment.ended', ARRAY[NEW.number], ARRAY[1::bigint], ARRAY[0::bigint],
                                   ARRAY[NEW.changed_at_ms]);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER webhooks AFTER UPDATE ON payments FOR EACH ROW
    WHEN (NEW.state IN ('succeeded', 'failed') AND OLD.state NOT IN ('succeeded', 'failed'))
    EXECUTE FUNCTION webhooks_of_payments();
