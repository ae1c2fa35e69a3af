-- The newest bills of a sponsor are found by this index. Bills are new in this version: the table has few rows, or none.
CREATE INDEX bills_of_sponsor ON bills (sponsor_id, asked_at_ms, number);
