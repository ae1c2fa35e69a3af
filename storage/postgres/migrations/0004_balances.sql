-- How often a wallet has changed: of two balances the one with the higher version is newer. A constant default, so a
-- large table is not rewritten.

ALTER TABLE wallets ADD version bigint NOT NULL DEFAULT 1 CHECK (version > 0);
