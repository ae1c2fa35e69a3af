-- The books of the bank. Double entry: each posting moves money from one account to another, and is never changed.

CREATE TABLE IF NOT EXISTS accounts (
    name      TEXT    PRIMARY KEY,
    fen       INTEGER NOT NULL DEFAULT 0,
    least_fen INTEGER NOT NULL DEFAULT 0,
    CHECK (fen >= least_fen)
) STRICT;

CREATE TABLE IF NOT EXISTS postings (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    number  TEXT    NOT NULL,
    kind    TEXT    NOT NULL CHECK (kind IN ('opening', 'charge', 'payout', 'refund')),
    state   TEXT    NOT NULL CHECK (state IN ('succeeded', 'reversed')),
    debit   TEXT    NOT NULL REFERENCES accounts,
    credit  TEXT    NOT NULL REFERENCES accounts CHECK (credit <> debit),
    fen     INTEGER NOT NULL CHECK (fen > 0),
    account TEXT    NOT NULL,
    at_s    REAL    NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS postings_at ON postings (at_s);
CREATE TRIGGER IF NOT EXISTS postings_stay BEFORE UPDATE ON postings BEGIN SELECT RAISE(ABORT, 'postings stay'); END;
CREATE TRIGGER IF NOT EXISTS postings_are_kept BEFORE DELETE ON postings BEGIN SELECT RAISE(ABORT, 'postings stay'); END;

-- An order is done once per number, however old it is. `settles_s`: when an order that is processing ends, with `outcome`.
-- `seen_s`: before that time queries do not find it.
CREATE TABLE IF NOT EXISTS orders (
    number    TEXT    PRIMARY KEY,
    kind      TEXT    NOT NULL,
    token     TEXT    NOT NULL,
    fen       INTEGER NOT NULL,
    result    TEXT    NOT NULL CHECK (result IN ('succeeded', 'failed', 'processing')),
    reason    TEXT    NOT NULL DEFAULT '',
    bank_ref  TEXT    NOT NULL DEFAULT '',
    fault     TEXT    NOT NULL DEFAULT 'none',
    of_number TEXT    NOT NULL DEFAULT '',
    settles_s REAL,
    seen_s    REAL    NOT NULL DEFAULT 0,
    calls     INTEGER NOT NULL DEFAULT 0,
    at_s      REAL    NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS orders_settle ON orders (settles_s) WHERE result = 'processing';
CREATE INDEX IF NOT EXISTS orders_of ON orders (of_number) WHERE of_number <> '';

CREATE TABLE IF NOT EXISTS cards (
    number TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    phone  TEXT NOT NULL,
    ref    TEXT NOT NULL UNIQUE,
    fault  TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS bindings (
    request_id TEXT PRIMARY KEY,
    binding    TEXT NOT NULL UNIQUE,
    card       TEXT NOT NULL REFERENCES cards,
    token      TEXT UNIQUE,
    state      TEXT NOT NULL DEFAULT 'offered' CHECK (state IN ('offered', 'bound', 'unbound'))
) STRICT;

CREATE TABLE IF NOT EXISTS messages (
    request_id TEXT    PRIMARY KEY,
    phone      TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    arrived    INTEGER NOT NULL,
    at_s       REAL    NOT NULL
) STRICT;

-- Notices that are to be sent, in the transaction of what they tell. `due_s` of one that is done is null.
CREATE TABLE IF NOT EXISTS notices (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    number  TEXT    NOT NULL,
    body    TEXT    NOT NULL,
    forged  INTEGER NOT NULL DEFAULT 0,
    due_s   REAL,
    tries   INTEGER NOT NULL DEFAULT 0,
    answer  TEXT    NOT NULL DEFAULT '',
    answered_s REAL,  -- of the last answer: when, and how long it took
    took_ms    REAL
) STRICT;
CREATE INDEX IF NOT EXISTS notices_due ON notices (due_s) WHERE due_s IS NOT NULL;

CREATE TABLE IF NOT EXISTS nonces (serial TEXT, nonce TEXT, time_s INTEGER, PRIMARY KEY (serial, nonce)) STRICT;

CREATE TABLE IF NOT EXISTS bill_faults (day TEXT PRIMARY KEY, fault TEXT NOT NULL) STRICT;

CREATE TABLE IF NOT EXISTS journal (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at_s   REAL    NOT NULL,
    what   TEXT    NOT NULL,
    number TEXT    NOT NULL,
    said   TEXT    NOT NULL
) STRICT;
