-- name: card_ref
-- In set 0. What the bank calls a card.
SELECT card_ref FROM cards WHERE card_id = $1

-- name: cards
-- In set 0. What statements of wallets say of cards.
SELECT card_id, bank || ' ' || last4 AS text FROM cards WHERE card_id = ANY($1)
