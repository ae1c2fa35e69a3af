-- Attempts to bind a card, counted before the bank is asked. One that the bank did not decline is removed again.

-- `number_mac`: HMAC of the card's number under a key that is not in the database. Rows are kept for a day.
CREATE TABLE bind_attempts (
    attempt_id bigint PRIMARY KEY CHECK (attempt_id > 9007199254740991),
    user_id    bigint NOT NULL CHECK (is_user(user_id)),
    number_mac bytea  NOT NULL,
    at_ms      bigint NOT NULL
);
CREATE INDEX bind_attempts_of_user ON bind_attempts (user_id);
CREATE INDEX bind_attempts_of_number ON bind_attempts (number_mac);
CREATE INDEX bind_attempts_by_age ON bind_attempts (at_ms);
