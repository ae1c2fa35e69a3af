-- What else crosses sets of PostgreSQL (docs/design.md, "Several sets of PostgreSQL"): words of packets, the relay of groups,
-- transfers, events of webhooks.

-- Topic 6: the user has said the words of the packet, which become the post `text` in the stream. 7: the user had the best
-- luck of the packet, so it is their turn in the group, if it has a relay.
ALTER TABLE set_outbox ADD COLUMN user_id bigint, ADD COLUMN text text;
ALTER TABLE set_outbox DROP CONSTRAINT set_outbox_topic_check;
ALTER TABLE set_outbox ADD CONSTRAINT set_outbox_topic_check CHECK (
    topic IN (0, 2, 5, 6, 7) AND (topic IN (6, 7)) = (user_id IS NOT NULL) AND (topic = 6) = (text IS NOT NULL)
);

-- Orders (kind 13) whose receiver is in another set: their money has left the sender, and waits to arrive there. The
-- row of wallet_orders is copied to the set of the receiver, so that both have the whole order.
CREATE TABLE orders_between_sets (
    place   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint      NOT NULL,
    key     text        NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (user_id, key)
);

-- Events of further sets are moved to set 0 with their bodies, each once.
ALTER TABLE webhook_events ADD COLUMN body bytea;
CREATE UNIQUE INDEX webhook_events_of_sets ON webhook_events (webhook_id) WHERE body IS NOT NULL;

-- 23: what a user of another set is to get leaves for that set; 24: it arrives here from the set of its sender. The
-- transfer of kind 13 between the two users stands in both sets. The key is the sender and the key of the order.
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
    WHEN 23 THEN is_user(debit_account) AND credit_account BETWEEN -163 AND -100 AND key <> ''
    WHEN 24 THEN debit_account BETWEEN -163 AND -100 AND is_user(credit_account) AND key <> ''
    ELSE false END) NOT VALID;
