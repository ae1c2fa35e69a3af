-- The result of the newest audit, whichever program ran it, so that every server can show it.
CREATE TABLE last_audit (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    at_ms         bigint  NOT NULL,
    took_s        double precision NOT NULL,
    discrepancies integer NOT NULL CHECK (discrepancies >= 0),
    first         text[]  NOT NULL,  -- the first discrepancies, in words
    checked       text    NOT NULL   -- how much was checked, in words
);
