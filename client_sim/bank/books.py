"""The books of the bank in SQLite: accounts and postings, cards and their bindings, text messages, the journal."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from client_sim.bank.faults import Fault, fault_of_card

SCHEMA: Final = Path(__file__).with_name("schema.sql")
WORLD: Final = "world"  # where the money on cards comes from
MERCHANT: Final = "merchant"
CARD_FEN: Final = 1_000_000  # on a new test card
MERCHANT_FEN: Final = 100_000_000  # of the merchant, before its first charge
JOURNAL_ROWS: Final = 10_000


class BankRefuses(Exception):
    """A request is declined; the message is the reason that the merchant is told."""


class BankCard(NamedTuple):
    """A test card. `ref`: its name in statements."""

    number: str
    holder: str
    phone: str
    ref: str
    fault: str


class BankBooks:
    """Statements on the books. What a transaction has done is on the disk when it ends, unless told otherwise."""

    def __init__(self, path: Path | str, *, waits_for_disk: bool = True) -> None:
        """`path`: a file, or ":memory:". Without `waits_for_disk` a kill loses nothing, but a power cut may.

        Raises sqlite3.Error.
        """
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.row_factory = sqlite3.Row
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute(f"PRAGMA synchronous = {'FULL' if waits_for_disk else 'NORMAL'}")
        self.db.execute("PRAGMA foreign_keys = ON")
        self.db.executescript(SCHEMA.read_text("utf-8"))
        with self.transaction():
            self.db.execute("INSERT OR IGNORE INTO accounts VALUES (?, 0, -9000000000000000)", (WORLD,))
            if self._open(MERCHANT):
                self.post("", "opening", WORLD, MERCHANT, MERCHANT_FEN, "", 0.0)

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Inside another one: part of that."""
        if self.db.in_transaction:
            yield
            return
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def rows(self, statement: str, *arguments: Any) -> list[sqlite3.Row]:
        """What a query finds."""
        return self.db.execute(statement, arguments).fetchall()

    def row(self, statement: str, *arguments: Any) -> sqlite3.Row | None:
        """The first row, if there is one."""
        found = self.db.execute(statement, arguments).fetchone()
        assert found is None or isinstance(found, sqlite3.Row)
        return found

    # --- money --------------------------------------------------------------------------------------------------

    def _open(self, account: str) -> bool:
        """Open an account; whether it is new."""
        return self.db.execute("INSERT OR IGNORE INTO accounts (name) VALUES (?)", (account,)).rowcount == 1

    def fen(self, account: str) -> int:
        """The balance of an account."""
        row = self.row("SELECT fen FROM accounts WHERE name = ?", account)
        return 0 if row is None else int(row["fen"])

    def post(
        self,
        number: str,
        kind: str,
        debit: str,
        credit: str,
        fen: int,
        card_ref: str,
        at_s: float,
        state: str = "succeeded",
    ) -> str:
        """Move money; the bank's id of the posting. Raises BankRefuses if the account holds less."""
        try:
            self.db.execute("UPDATE accounts SET fen = fen - ? WHERE name = ?", (fen, debit))
        except sqlite3.IntegrityError:
            raise BankRefuses("insufficient funds") from None
        self.db.execute("UPDATE accounts SET fen = fen + ? WHERE name = ?", (fen, credit))
        made = self.db.execute(
            "INSERT INTO postings (number, kind, state, debit, credit, fen, account, at_s)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (number, kind, state, debit, credit, fen, card_ref, at_s),
        )
        return bank_ref(int(made.lastrowid or 0))

    def discrepancies(self) -> list[str]:
        """What is wrong with the books; empty if each account is the sum of its postings, and all are 0."""
        found = [
            f"account {row['name']}: {row['fen']} fen, its postings say {row['posted']}"
            for row in self.rows(
                """WITH moves AS (SELECT credit AS account, fen FROM postings
                                  UNION ALL SELECT debit, -fen FROM postings),
                        sums AS (SELECT account, sum(fen) AS posted FROM moves GROUP BY account)
                   SELECT name, fen, coalesce(posted, 0) AS posted
                   FROM accounts LEFT JOIN sums ON account = name WHERE fen <> coalesce(posted, 0)"""
            )
        ]
        found += [
            f"order {row['number']}: {row['result']}, with {row['postings']} postings"
            for row in self.rows(
                """WITH counts AS (SELECT number, count(*) AS postings FROM postings GROUP BY number)
                   SELECT o.number, result, coalesce(postings, 0) AS postings
                   FROM orders o LEFT JOIN counts USING (number)
                   WHERE coalesce(postings, 0) <> CASE WHEN result = 'succeeded' THEN 1
                                                       WHEN reason = 'reversed' THEN 2 ELSE 0 END"""
            )
        ]
        return found

    # --- cards --------------------------------------------------------------------------------------------------

    def offer(self, request_id: str, number: str, holder: str, phone: str) -> tuple[str, BankCard]:
        """The binding of a card, once per request id. Raises BankRefuses."""
        earlier = self.row("SELECT * FROM bindings WHERE request_id = ?", request_id)
        if earlier is not None:
            if earlier["card"] != number:
                raise BankRefuses("the request id was used for another card")
            return earlier["binding"], self.card(number)
        card = self._card(number, holder, phone)
        binding = f"bind_{secrets.token_hex(12)}"
        self.db.execute(
            "INSERT INTO bindings (request_id, binding, card) VALUES (?, ?, ?)", (request_id, binding, number)
        )
        return binding, card

    def _card(self, number: str, holder: str, phone: str) -> BankCard:
        """A card that fits; a test card belongs to the first holder who comes with it. Raises BankRefuses."""
        fault = fault_of_card(number)
        if fault is None:
            raise BankRefuses("no such card")
        if fault is Fault.CARD_REFUSED:
            raise BankRefuses("the card is blocked")
        if not (holder.strip() and phone.isascii() and phone.isdigit()):
            raise BankRefuses("holder and phone are needed")
        row = (number, holder.strip(), phone, f"card_{secrets.token_hex(8)}", fault.value)
        self.db.execute("INSERT OR IGNORE INTO cards VALUES (?, ?, ?, ?, ?)", row)
        card = self.card(number)
        if (card.holder, card.phone) != (holder.strip(), phone):
            raise BankRefuses("holder or phone do not fit the card")
        if self._open(account_of(number)) and fault is not Fault.NO_MONEY:
            self.post("", "opening", WORLD, account_of(number), CARD_FEN, card.ref, 0.0)
        return card

    def card(self, number: str) -> BankCard:
        """A card that the bank has."""
        row = self.row("SELECT * FROM cards WHERE number = ?", number)
        assert row is not None
        return BankCard(*row)

    def confirm(self, binding: str) -> str:
        """The token of a binding. Raises BankRefuses."""
        row = self.row("SELECT * FROM bindings WHERE binding = ?", binding)
        if row is None or row["state"] == "unbound":
            raise BankRefuses("no such binding")
        if row["state"] == "offered":
            change = "UPDATE bindings SET state = 'bound', token = ? WHERE binding = ?"
            self.db.execute(change, (f"tok_{secrets.token_hex(16)}", binding))
        found = self.row("SELECT token FROM bindings WHERE binding = ?", binding)
        assert found is not None
        return str(found["token"])

    def unbind(self, token: str) -> None:
        """The token is used no more."""
        self.db.execute("UPDATE bindings SET state = 'unbound' WHERE token = ?", (token,))

    def card_of(self, name: str) -> BankCard | None:
        """The card of a token that is bound, or of a binding; None: there is none."""
        row = self.row(
            """SELECT c.* FROM bindings b JOIN cards c ON c.number = b.card
               WHERE b.state <> 'unbound' AND (b.token = ?1 OR b.binding = ?1)""",
            name,
        )
        return None if row is None else BankCard(*row)

    def card_of_charge(self, token: str) -> BankCard | None:
        """The card that a token was given for, whether it is bound or not; None: there is none."""
        row = self.row("SELECT c.* FROM bindings b JOIN cards c ON c.number = b.card WHERE b.token = ?", token)
        return None if row is None else BankCard(*row)

    def send(self, request_id: str, to: str, text: str, at_s: float) -> None:
        """Send a text to the phone of a card, once per request id. Raises BankRefuses."""
        card = self.card_of(to)
        if card is None:
            raise BankRefuses("no such card")
        row = (request_id, card.phone, text, int(card.fault != Fault.SMS_LOST), at_s)
        self.db.execute("INSERT OR IGNORE INTO messages VALUES (?, ?, ?, ?, ?)", row)

    # --- the rest -----------------------------------------------------------------------------------------------

    def is_new_nonce(self, serial: str, nonce: str, time_s: int) -> bool:
        """Whether a nonce was not used before; those that are too old to be accepted are forgotten."""
        self.db.execute("DELETE FROM nonces WHERE time_s < ?", (time_s - 1_000,))
        made = self.db.execute("INSERT OR IGNORE INTO nonces VALUES (?, ?, ?)", (serial, nonce, time_s))
        return made.rowcount == 1

    def note(self, at_s: float, what: str, number: str, said: str) -> None:
        """A line of the journal."""
        row = (at_s, what, number, said)
        made = self.db.execute("INSERT INTO journal (at_s, what, number, said) VALUES (?, ?, ?, ?)", row)
        self.db.execute("DELETE FROM journal WHERE id = ?", ((made.lastrowid or 0) - JOURNAL_ROWS,))

    def inbox(self, phone: str) -> Sequence[str]:
        """The texts that have arrived at a phone, oldest first."""
        found = self.rows("SELECT text FROM messages WHERE phone = ? AND arrived = 1 ORDER BY rowid", phone)
        return [str(row["text"]) for row in found]


def account_of(card: str) -> str:
    """The account of a card."""
    return f"card:{card}"


def bank_ref(posting: int) -> str:
    """The bank's id of a posting, as statements and replies have it."""
    return f"B{posting:012d}"
