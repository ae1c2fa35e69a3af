-- Packets for everyday chats. New columns are null, new constraints are NOT VALID: nothing is rewritten or locked for
-- longer than a moment.

ALTER TABLE packets DROP CONSTRAINT packets_kind_check;
ALTER TABLE packets ADD CONSTRAINT packets_kind_check
    CHECK (kind IN ('lucky', 'equal', 'personal', 'shake', 'fission', 'exclusive', 'password')) NOT VALID;

-- `only_for`: of an exclusive packet the members of its group who may open it, one share each.
ALTER TABLE packets ADD only_for bigint[];
ALTER TABLE packets ADD CONSTRAINT packets_only_for CHECK (
    (kind = 'exclusive') = (only_for IS NOT NULL) AND (only_for IS NULL OR cardinality(only_for) = shares)
) NOT VALID;

-- `words`: of a password packet, `key id$salt$mac`: an HMAC of the words under a key that is not in the database.
ALTER TABLE packets ADD words text;
ALTER TABLE packets ADD CONSTRAINT packets_words CHECK ((kind = 'password') = (words IS NOT NULL)) NOT VALID;

-- Who has tried to say the words of a packet, and how often; `said_at_ms`: the words were right, and are a text in the
-- chat. An attempt is counted before it is compared.
CREATE TABLE words_said (
    packet_id  bigint   NOT NULL,
    user_id    bigint   NOT NULL CHECK (is_user(user_id)),
    attempts   smallint NOT NULL,
    said_at_ms bigint,
    PRIMARY KEY (packet_id, user_id)
) WITH (fillfactor = 80);
