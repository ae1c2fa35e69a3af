-- name: page
-- The lines of a wallet's statement below version $2, newest first: an entry is one line for each transfer in it. The
-- first part finds the entry that version $2 may lie within. One more than a page (51) tells whether there is another.
WITH found AS (
    (SELECT * FROM entries WHERE user_id = $1 AND version >= $2 ORDER BY version LIMIT 1)
    UNION ALL
    (SELECT * FROM entries WHERE user_id = $1 AND version < $2 ORDER BY version DESC LIMIT 51)
), lines AS (
    SELECT version - count + place AS version, kind, line.account, key, line.change_fen,
           (balance_fen - coalesce(sum(line.change_fen) OVER later, 0))::bigint AS balance_fen, at_ms
    FROM found, LATERAL (SELECT coalesce(cardinality(accounts), 1) AS count) AS size,
        LATERAL unnest(coalesce(accounts, ARRAY[account]), coalesce(changes_fen, ARRAY[change_fen])) WITH ORDINALITY
            AS line (account, change_fen, place)
    WINDOW later AS (PARTITION BY version ORDER BY place ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
), page AS (
    SELECT * FROM lines WHERE version < $2 ORDER BY version DESC LIMIT 51
)
SELECT page.version, page.at_ms, page.kind, page.change_fen, page.balance_fen, page.key, p.packet_id,
       p.kind AS packet_kind, p.sender_id, p.target_id, g.name AS group_name,
       CASE WHEN page.kind = 13 THEN page.account END AS other_id,
       coalesce(o.text, c.bank || ' ' || c.last4, '') AS text, page.account, m.card_id
FROM page
LEFT JOIN packets p ON p.packet_id = page.account
LEFT JOIN groups g ON g.group_id = p.target_id
LEFT JOIN wallet_orders o ON page.kind IN (13, 14) AND o.kind = page.kind AND o.key = page.key
    AND o.user_id = CASE WHEN page.change_fen < 0 THEN $1 ELSE page.account END
LEFT JOIN payments m ON m.number = CASE WHEN page.kind IN (9, 10, 12, 16, 17) THEN page.key::bigint END
LEFT JOIN cards c ON c.card_id = m.card_id
ORDER BY page.version DESC
