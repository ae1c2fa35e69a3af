-- Where the other servers on the same database reach a server (see server/peers); empty: nowhere.
ALTER TABLE servers ADD COLUMN address text NOT NULL DEFAULT '';
