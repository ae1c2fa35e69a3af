-- What a settlement writes, in fewer and smaller rows: an entry for each wallet and batch, posts that name claims by
-- a range of their indexes, and one row of the outbox for each stream and batch.

-- How many claims of an unfinished packet were posted to its sender; the finish posts the rest. Claims that were made
-- before this table are not posted again, but for those that wait in the outbox.
CREATE TABLE posted_claims (
    packet_id bigint  PRIMARY KEY,
    claims    integer NOT NULL CHECK (claims > 0)
);
INSERT INTO posted_claims
SELECT packet_id, version - waiting
FROM (
    SELECT packet_id, version, (
        SELECT count(*) FROM outbox o JOIN claims c ON c.packet_id = o.packet_id AND c.user_id = ANY(o.user_ids)
        WHERE o.packet_id = p.packet_id AND o.message IS NULL
    ) AS waiting
    FROM packets p
    WHERE packet_id IN (
        SELECT packet_id FROM packets WHERE closed_at_ms IS NULL
        UNION SELECT packet_id FROM settlement_queue UNION SELECT packet_id FROM outbox
    )
) AS open
WHERE version > waiting;

-- Packets from here on have all their claims in posts.
INSERT INTO facts (name, value) SELECT 'first_posted_packet', coalesce(max(packet_id), 0) + 1 FROM packets;

-- The index of the claim: by it the settlement knows the last one. -1: there is no such claim, which the audit reports.
ALTER TABLE settlement_queue ADD index integer NOT NULL DEFAULT -1;
UPDATE settlement_queue q SET index = c.index FROM claims c
WHERE c.packet_id = q.packet_id AND c.user_id = q.user_id;
ALTER TABLE settlement_queue ALTER index DROP DEFAULT;

-- A row that has its number stands in its stream already: a client that was away finds it there.
DELETE FROM outbox WHERE message IS NOT NULL;
ALTER TABLE outbox ADD packet_ids bigint[];
UPDATE outbox SET packet_ids = ARRAY[packet_id];
ALTER TABLE outbox ALTER packet_ids SET NOT NULL, DROP packet_id, DROP user_ids, DROP message;

-- Several transfers of one kind that changed a wallet together: their other accounts and their changes, in the order
-- of the versions, the last of which is the row's own. `account` is then the last of them, `change_fen` their sum.
ALTER TABLE entries ADD accounts bigint[], ADD changes_fen bigint[];

-- A post of claims tells of those with first_index <= index < end_index.
ALTER TABLE messages ADD first_index integer, ADD end_index integer;
DO $$ BEGIN
    IF (SELECT is_called FROM outbox_outbox_id_seq) THEN  -- otherwise no post exists, and the table need not be read
        UPDATE messages m SET (first_index, end_index) = (
            SELECT min(c.index), max(c.index) + 1 FROM claims c
            WHERE c.packet_id = m.packet_id AND c.user_id = ANY(m.user_ids)
        ) WHERE user_ids IS NOT NULL;
    END IF;
END $$;
ALTER TABLE messages DROP user_ids;
ALTER TABLE messages ADD CONSTRAINT messages_claims
    CHECK ((reminder IS NOT DISTINCT FROM 1) = (first_index IS NOT NULL) AND first_index < end_index) NOT VALID;
