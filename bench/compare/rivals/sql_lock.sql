-- The tables of the rival `sql_lock`, in a separate schema.

DROP SCHEMA IF EXISTS rival CASCADE;
CREATE SCHEMA rival;

CREATE TABLE rival.envelopes (
    envelope_id bigint PRIMARY KEY,
    sender_id   bigint NOT NULL,
    total_fen   bigint NOT NULL,
    shares      integer NOT NULL,
    left_fen    bigint NOT NULL CHECK (left_fen >= 0),
    left_shares integer NOT NULL CHECK (left_shares >= 0),
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL DEFAULT now() + interval '1 day'
);

CREATE TABLE rival.claims (
    envelope_id bigint NOT NULL,
    user_id     bigint NOT NULL,
    amount_fen  bigint NOT NULL,
    claimed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (envelope_id, user_id)
);

CREATE TABLE rival.wallets (
    user_id     bigint PRIMARY KEY,
    balance_fen bigint NOT NULL
);

CREATE TABLE rival.orders (
    order_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id     bigint NOT NULL,
    envelope_id bigint NOT NULL,
    amount_fen  bigint NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
