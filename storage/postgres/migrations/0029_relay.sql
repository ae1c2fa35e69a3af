-- The relay of a group (接龙): after a lucky packet the user with the best luck is reminded to send the next one. The new
-- column has a constant default, new constraints are NOT VALID: nothing is rewritten or locked for longer than a moment.

-- `relay_times`: the next packet is to have so many times the best share; 0: the group has no such rule.
ALTER TABLE groups ADD relay_times smallint NOT NULL DEFAULT 0;
ALTER TABLE groups ADD CONSTRAINT groups_relay_times
    CHECK (relay_times BETWEEN 0 AND 3 AND (relay_times = 0 OR kind <> 'direct')) NOT VALID;

-- Whose turn it was after a packet, and in which group: once for each packet, with the rule as it was then. Written with
-- the best luck, in the transaction that credits the last claim.
CREATE TABLE relays (
    packet_id bigint   PRIMARY KEY,
    group_id  bigint   NOT NULL,
    user_id   bigint   NOT NULL CHECK (is_user(user_id)),
    times     smallint NOT NULL CHECK (times BETWEEN 1 AND 3)
);

-- 4 is the post of it (ReminderKind, storage/postgres/chat/outbox.py).
ALTER TABLE outbox DROP CONSTRAINT outbox_reminder_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_reminder_check CHECK (reminder BETWEEN 1 AND 4) NOT VALID;
ALTER TABLE messages DROP CONSTRAINT messages_reminder;
ALTER TABLE messages ADD CONSTRAINT messages_reminder
    CHECK (reminder IS NULL OR (reminder BETWEEN 1 AND 4 AND packet_id IS NOT NULL)) NOT VALID;
