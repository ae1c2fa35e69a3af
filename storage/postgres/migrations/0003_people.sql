-- What people are called, who was thrown out, packets that were sent to another group again, who grabs first.

CREATE TABLE users (
    user_id bigint PRIMARY KEY CHECK (user_id BETWEEN 1 AND 9007199254740991),
    name    text   NOT NULL CHECK (name <> '')
);

-- Who was kicked does not come back; left_at_ms is set with it.
ALTER TABLE memberships ADD kicked_at_ms bigint;
ALTER TABLE memberships ADD CHECK (kicked_at_ms IS NULL OR left_at_ms IS NOT NULL);

-- Besides the group that stands in the packet. A row stays, so that the audit can tell who was ever allowed to open.
CREATE TABLE packet_groups (
    packet_id bigint NOT NULL REFERENCES packets,
    group_id  bigint NOT NULL REFERENCES groups,
    at_ms     bigint NOT NULL,
    PRIMARY KEY (packet_id, group_id)
);

-- Statistics, not money: what a crash loses of them is not made up for. The last 31 reactions give the median.
CREATE TABLE reactions (
    group_id     bigint   NOT NULL,
    user_id      bigint   NOT NULL,
    grabs        bigint   NOT NULL,
    first_places bigint   NOT NULL,
    sent_packets bigint   NOT NULL,
    recent_ms    integer[] NOT NULL,
    PRIMARY KEY (group_id, user_id)
) WITH (fillfactor = 60);
