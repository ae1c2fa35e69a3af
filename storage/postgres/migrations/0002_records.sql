-- What a user sent and received, by year. Written beside the packets and the transfers they are counted from, so
-- that a page of them costs the same however long the history is. Everything here could be made again from those.

-- The year of a moment in Beijing, eight hours before UTC in all of them (server/core/years says why).
CREATE FUNCTION beijing_year(at_ms bigint) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN extract(year FROM timestamp '1970-01-01 08:00' + at_ms / 1000 * interval '1 second')::integer;

CREATE TABLE years (
    user_id        bigint NOT NULL CHECK (user_id BETWEEN 1 AND 9007199254740991),
    year           integer NOT NULL,
    sent_count     bigint NOT NULL DEFAULT 0 CHECK (sent_count >= 0),
    sent_fen       bigint NOT NULL DEFAULT 0 CHECK (sent_fen >= sent_count),
    received_count bigint NOT NULL DEFAULT 0 CHECK (received_count >= 0),
    received_fen   bigint NOT NULL DEFAULT 0 CHECK (received_fen >= received_count),
    best_lucks     bigint NOT NULL DEFAULT 0 CHECK (best_lucks >= 0),
    PRIMARY KEY (user_id, year)
) WITH (fillfactor = 50);

-- Claims that are in a wallet, by the time at which they were opened. A table of its own and not a third index on
-- `claims`: it is written by the settlement, for which nobody waits.
CREATE TABLE received (
    user_id   bigint NOT NULL,
    at_ms     bigint NOT NULL,
    packet_id bigint NOT NULL,
    PRIMARY KEY (user_id, at_ms, packet_id)
);

-- Who had the best luck of a finished lucky packet.
CREATE TABLE best_lucks (
    packet_id bigint PRIMARY KEY,
    user_id   bigint NOT NULL
);

CREATE INDEX packets_sent ON packets (sender_id, created_at_ms DESC, packet_id DESC);

-- What was there before.
INSERT INTO received (user_id, at_ms, packet_id)
SELECT c.user_id, c.at_ms, c.packet_id
FROM claims c JOIN transfers t ON t.kind = 4 AND t.key = ''
    AND t.debit_account = c.packet_id AND t.credit_account = c.user_id;

INSERT INTO best_lucks (packet_id, user_id)
SELECT DISTINCT ON (c.packet_id) c.packet_id, c.user_id
FROM packets p JOIN claims c USING (packet_id)
WHERE p.kind = 'lucky' AND p.version = p.shares
ORDER BY c.packet_id, c.amount_fen DESC, c.index;

INSERT INTO years (user_id, year, sent_count, sent_fen, received_count, received_fen, best_lucks)
SELECT user_id, year, sum(sent_count), sum(sent_fen), sum(received_count), sum(received_fen), sum(best_lucks)
FROM (
    SELECT sender_id AS user_id, beijing_year(created_at_ms) AS year, 1 AS sent_count, total_fen AS sent_fen,
           0 AS received_count, 0 AS received_fen, 0 AS best_lucks
    FROM packets
    UNION ALL
    SELECT r.user_id, beijing_year(r.at_ms), 0, 0, 1, c.amount_fen, 0
    FROM received r JOIN claims c USING (packet_id, user_id)
    UNION ALL
    SELECT b.user_id, beijing_year(c.at_ms), 0, 0, 0, 0, 1
    FROM best_lucks b JOIN claims c USING (packet_id, user_id)
) AS changes
GROUP BY user_id, year;
