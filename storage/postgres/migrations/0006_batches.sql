-- What a settlement writes, in fewer and smaller rows: an entry for each wallet and batch, posts that name claims by
-- a range of their indexes, and one row of the outbox for each stream and batch.

-- How many claims of an unfinished packet were posted to its sender; the finish posts the rest. Claims that wait for
-- their credit or for their post are posted from here on; some of them perhaps once more, which a client drops.
CREATE TABLE posted_claims (
    packet_id bigint  PRIMARY KEY,
    claims    integer NOT NULL CHECK (claims > 0)
);
INSERT INTO posted_claims
WITH waiting AS (
    SELECT packet_id, min(index) AS first_index
    FROM (
        SELECT packet_id, user_id FROM settlement_queue
        UNION ALL SELECT packet_id, user_id FROM outbox, unnest(user_ids) AS user_id WHERE message IS NULL
    ) AS w JOIN claims USING (packet_id, user_id)
    GROUP BY packet_id
)
SELECT packet_id, coalesce(first_index, version)
FROM (
    SELECT packet_id FROM packets WHERE closed_at_ms IS NULL
    UNION SELECT packet_id FROM waiting UNION SELECT packet_id FROM outbox
) AS open JOIN packets USING (packet_id) LEFT JOIN waiting USING (packet_id)
WHERE coalesce(first_index, version) > 0;

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
ALTER TABLE messages ADD CONSTRAINT messages_claims CHECK (
    CASE WHEN reminder = 1 THEN first_index IS NOT NULL AND end_index IS NOT NULL AND first_index < end_index
         ELSE num_nonnulls(first_index, end_index) = 0 END
) NOT VALID;
