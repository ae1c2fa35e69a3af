"""Two books for tests: our payments as rows, the bank's statements made of them, and faults planted by a seed."""

from __future__ import annotations

import hashlib
import itertools
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeAlias

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.core.beijing_year import BEIJING
from server.core.ids import id_at
from server.core.reconciliation.days import DAY_MS, day_of, first_ms
from server.core.reconciliation.rules import OurPayment
from server.core.reconciliation.statement_file import HEADER, BankLine, StatementClaim
from server.services.reconciliation.sources import StatementSource

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw().hex()
MERCHANT = "m-1001"
SERIAL = "b1"
SOURCE = StatementSource(MERCHANT, {SERIAL: PUBLIC})
DAY = date(2026, 11, 27)
_USERS = itertools.count(10_000)
ALICE, BOB = 4_001, 4_002  # users of the system, who operate


def source_of(*gateways: str) -> dict[str, StatementSource]:
    """Gateways whose bank signs with the key of the tests."""
    return dict.fromkeys(gateways, SOURCE)


def at_text(at_ms: int) -> str:
    """A time as a statement has it."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    return at.astimezone(BEIJING).isoformat(timespec="milliseconds")


def line_of(row: BankLine) -> str:
    """A row as its line in the file, without the line feed."""
    about = row.line, row.bank_ref, row.number, row.kind, row.account, row.amount_fen, row.state
    return ",".join(map(str, (*about, at_text(row.at_ms))))


def csv_of(rows: Iterable[BankLine]) -> bytes:
    """The file of these rows."""
    return HEADER + "".join(f"{line_of(row)}\n" for row in rows).encode()


def signature_of(text: bytes, *, gateway: str, day: date, issue: int, rows: int, **changed: Any) -> dict[str, Any]:
    """What stands beside a file; `changed` after it was signed, but for `merchant` and `private`."""
    merchant, private = changed.pop("merchant", MERCHANT), changed.pop("private", PRIVATE)
    claim = StatementClaim(gateway, merchant, day, issue, rows, hashlib.sha256(text).hexdigest())
    signed = b64encode(private.sign(claim.signed_text)).decode()
    return {**claim._asdict(), "day": day.isoformat(), "serial": SERIAL, "signature": signed, **changed}


def write(path: Path, rows: Sequence[BankLine], *, gateway: str = "bank", day: date = DAY, issue: int = 1) -> Path:
    """A statement as the bank makes it: the file, and its signature beside it."""
    text = csv_of(rows)
    path.write_bytes(text)
    signature = signature_of(text, gateway=gateway, day=day, issue=issue, rows=len(rows))
    path.with_name(path.name + ".sig").write_text(json.dumps(signature))
    return path


def numbered(day: date, rows: Iterable[BankLine]) -> list[BankLine]:
    """Rows as the lines 1… of the statement of a day."""
    return [row._replace(day=day, line=line) for line, row in enumerate(rows, 1)]


def payment(at_ms: int, serial: int = 0, **changed: Any) -> OurPayment:
    """A charge of 3.00 that succeeded half a second after it was made."""
    number = id_at(at_ms) + 1 + serial
    return OurPayment(number, "charge", "card-1", 300, "succeeded", at_ms, at_ms + 500)._replace(**changed)


def row_of(ours: OurPayment, **changed: Any) -> BankLine:
    """The bank's row of a payment of ours."""
    state = "failed" if ours.state == "failed" else "succeeded"
    at_ms = ours.created_at_ms + 200
    row = BankLine(
        *(day_of(at_ms), 1, f"r{ours.number}", str(ours.number), ours.kind, ours.account or "card-0"),
        *(ours.amount_fen, state, at_ms),
    )
    return row._replace(**changed)


async def record(sql: Sql, payments: Iterable[OurPayment], gateway: str = "bank") -> None:
    """Put payments into our books as a server would have left them; each is of another user."""
    rows = []
    for one in payments:
        key = str(one.number) if one.kind == "charge" else None
        content = None if key is None else "{}"
        reason = "no packet" if one.state == "succeeded" else ""
        columns = one.number, gateway, one.kind, next(_USERS), one.amount_fen, key, content, one.state
        rows.append((*columns, one.created_at_ms, one.changed_at_ms, reason, one.account))
    await sql.executemany(
        "INSERT INTO payments (number, gateway, kind, user_id, amount_fen, key, content, state, next_try_ms, "
        "created_at_ms, changed_at_ms, reason, account) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11, $12)",
        rows,
    )


class Expected(NamedTuple):
    """A break that a planted fault must lead to."""

    row_class: str
    subject: str


class Books:
    """The payments of two days, honest statements of both, and what was done to these."""

    def __init__(self, seed: int, payments: int = 80, first_serial: int = 0) -> None:
        """`first_serial` keeps the numbers of several books apart."""
        self.random = Random(seed)
        self.days = (DAY, DAY + timedelta(days=1))
        self.payments = sorted(self._payment(first_serial + one) for one in range(payments))
        self.rows: dict[date, list[BankLine]] = {day: [] for day in self.days}
        self.expected: set[Expected] = set()
        self.touched: set[int] = set()
        for one in self.payments:
            if one.state == "unknown" or (one.state == "failed" and self.random.random() < 0.5):
                continue  # it has not reached the bank
            row = row_of(one)
            self.rows[row.day].append(row)
        for day in self.days:
            self.random.shuffle(self.rows[day])

    def _payment(self, serial: int) -> OurPayment:
        rng = self.random
        at_ms = first_ms(DAY) + rng.randrange(600_000, 2 * DAY_MS - 600_000)  # in these days for certain
        if rng.random() < 0.2:  # around midnight between both days: booked on the one or the other
            at_ms = first_ms(DAY) + DAY_MS + rng.randrange(-400, 400)
        state = rng.choices(("succeeded", "failed", "unknown"), (8, 1, 1))[0]
        kind, account = rng.choice(("charge", "payout")), rng.choice(("card-1", "card-2", ""))
        amount_fen, end_ms = rng.randrange(1, 20_000), at_ms + rng.randrange(200, 4_000)
        return payment(
            at_ms, serial, kind=kind, account=account, amount_fen=amount_fen, state=state, changed_at_ms=end_ms
        )

    def _untouched(self, fits: Callable[[OurPayment], bool]) -> list[tuple[date, int, OurPayment]]:
        """The rows that nothing was done to yet, with their days, places and payments."""
        ours = {str(one.number): one for one in self.payments}
        return [
            (day, place, ours[row.number])
            for day in self.days
            for place, row in enumerate(self.rows[day])
            if row.number in ours and int(row.number) not in self.touched and fits(ours[row.number])
        ]

    def _take(self, fits: Callable[[OurPayment], bool] = lambda one: True) -> tuple[date, int, OurPayment]:
        """One of the rows that nothing was done to yet."""
        day, place, one = self.random.choice(self._untouched(fits))
        self.touched.add(one.number)
        return day, place, one

    def _change(self, row_class: str, **changed: Any) -> None:
        day, place, one = self._take(lambda one: one.state == "succeeded" and bool(one.account))
        self.rows[day][place] = self.rows[day][place]._replace(**changed)
        self.expected.add(Expected(row_class, str(one.number)))

    # --- the faults -------------------------------------------------------------------------------------------

    def missing(self) -> None:
        day, place, one = self._take(lambda one: one.state == "succeeded")
        del self.rows[day][place]
        self.expected.add(Expected("ours_only", str(one.number)))

    def extra(self) -> None:
        day, ref = self.random.choice(self.days), f"extra{self.random.randrange(10**9)}"
        number = self.random.choice(
            ("", "X-7", str(2**63), str(id_at(first_ms(day)) + self.random.randrange(10**6)))
        )
        kind, at_ms = self.random.choice(("charge", "payout", "refund")), first_ms(day) + 1_000
        self.rows[day].append(BankLine(day, 0, ref, number, kind, "card-9", 77, "succeeded", at_ms))
        self.expected.add(Expected("bank_only", ref))

    def amount(self) -> None:
        self._change("amount", amount_fen=30_001)

    def state(self) -> None:
        failed = self._untouched(lambda one: one.state == "failed")  # in some books no failed one reached the bank
        if not failed or self.random.random() < 0.7:
            self._change("state", state=self.random.choice(("failed", "reversed")))
            return
        day, place, one = self._take(lambda one: one.state == "failed")
        self.rows[day][place] = self.rows[day][place]._replace(state="succeeded")
        self.expected.add(Expected("state", str(one.number)))

    def account(self) -> None:
        self._change("other_account", account="card-7")

    def kind(self) -> None:
        day, place, one = self._take(lambda one: one.state == "succeeded")
        row = self.rows[day][place]
        self.rows[day][place] = row._replace(kind="refund")
        self.expected |= {Expected("bank_only", row.bank_ref), Expected("ours_only", str(one.number))}

    def repeated_line(self) -> None:
        day, place, _ = self._take()
        row = self.rows[day][place]
        self.rows[day].append(row)
        self.expected.add(Expected("duplicate", f"{row.bank_ref}#2"))

    def repeated_on_the_next_day(self) -> None:
        _, place, _ = self._take(lambda one: row_of(one).day == DAY)
        row = self.rows[DAY][place]
        self.rows[self.days[1]].append(row)
        self.expected.add(Expected("duplicate", f"{row.bank_ref}#2"))

    def booked_twice(self) -> None:
        day, place, _ = self._take()
        ref = f"twice{self.random.randrange(10**9)}"
        self.rows[day].append(self.rows[day][place]._replace(bank_ref=ref))
        self.expected.add(Expected("duplicate", f"{ref}#1"))

    def equal_refs(self) -> None:
        day, place, _ = self._take(lambda one: row_of(one).day == DAY)
        _, other, _ = self._take(lambda one: row_of(one).day == DAY)
        ref = self.rows[day][place].bank_ref
        self.rows[day][other] = self.rows[day][other]._replace(bank_ref=ref)
        self.expected.add(Expected("duplicate", f"{ref}#2"))

    def moved_a_day(self) -> None:
        """Into the statement of the other day, with its own time or with one of that day."""
        noon_ms = first_ms(DAY) + DAY_MS // 2
        day, place, one = self._take(lambda one: abs(one.created_at_ms - noon_ms) < DAY_MS // 3)
        row, shift_ms = self.rows[day].pop(place), self.random.choice((0, DAY_MS))
        self.rows[self.days[1]].append(row._replace(at_ms=row.at_ms + shift_ms))
        self.expected.add(Expected("other_day", str(one.number)))

    def statement(self, day: date) -> list[BankLine]:
        """The rows of a day as they stand in its file."""
        return numbered(day, self.rows[day])


FAULTS: tuple[Callable[[Books], None], ...] = (
    Books.missing,
    Books.extra,
    Books.amount,
    Books.state,
    Books.account,
    Books.kind,
    Books.repeated_line,
    Books.repeated_on_the_next_day,
    Books.booked_twice,
    Books.equal_refs,
    Books.moved_a_day,
)
