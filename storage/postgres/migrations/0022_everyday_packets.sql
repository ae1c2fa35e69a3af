-- Packets for everyday chats. New columns are null, new constraints are NOT VALID: nothing is rewritten or locked for
-- longer than a moment.

ALTER TABLE packets DROP CONSTRAINT packets_kind_check;
ALTER TABLE packets ADD CONSTRAINT packets_kind_check
    CHECK (kind IN ('lucky', 'equal', 'personal', 'shake', 'fission', 'exclusive')) NOT VALID;

-- `only_for`: of an exclusive packet the members of its group who may open it, one share each.
ALTER TABLE packets ADD only_for bigint[];
ALTER TABLE packets ADD CONSTRAINT packets_only_for CHECK (
    (kind = 'exclusive') = (only_for IS NOT NULL) AND (only_for IS NULL OR cardinality(only_for) = shares)
) NOT VALID;
