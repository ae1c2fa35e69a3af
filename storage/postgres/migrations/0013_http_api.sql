-- A packet that was sent again under an idempotency key: the same key answers the same and posts nothing.
CREATE TABLE keyed_resends (
    packet_id bigint NOT NULL REFERENCES packets,
    key       text   NOT NULL CHECK (key <> ''),
    group_id  bigint NOT NULL,  -- that the request named; 0: where the packet was sent
    stream_id bigint NOT NULL,  -- where the sender sees it
    message   bigint NOT NULL,
    PRIMARY KEY (packet_id, key)
);

-- A group that the chat backend deleted: it has no members any more, and gets none. Its row stays, for its packets.
ALTER TABLE groups ADD deleted_at_ms bigint;

-- A picture of a user, as the chat backend gave it; empty: none.
ALTER TABLE users ADD avatar_url text NOT NULL DEFAULT '';
