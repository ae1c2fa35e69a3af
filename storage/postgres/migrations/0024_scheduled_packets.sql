-- Packets that are sent at a later time: paid at once, posted by a server when their time has come. New columns are null,
-- new constraints NOT VALID: nothing is rewritten or locked for longer than a moment.

-- `send_at_ms`: when a packet is posted; null: when it was paid.
ALTER TABLE packets ADD send_at_ms bigint;
ALTER TABLE packets ADD CONSTRAINT packets_send_at CHECK (send_at_ms > created_at_ms AND send_at_ms < expires_at_ms)
    NOT VALID;

-- One row for each of them, for good. `state`: waiting; then once posted, cancelled by its sender, or returned, because at
-- its time it had expired or its sender could not send it any more. The server that changes the row decides: it is locked.
CREATE TABLE scheduled_packets (
    packet_id   bigint PRIMARY KEY,
    sender_id   bigint NOT NULL,
    send_at_ms  bigint NOT NULL,
    state       text   NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'posted', 'cancelled', 'returned')),
    ended_at_ms bigint,
    CHECK ((state = 'waiting') = (ended_at_ms IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX scheduled_packets_due ON scheduled_packets (send_at_ms) WHERE state = 'waiting';
CREATE INDEX scheduled_packets_of_sender ON scheduled_packets (sender_id, send_at_ms) WHERE state = 'waiting';
