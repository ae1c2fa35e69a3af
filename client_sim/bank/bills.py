"""Statements: the postings of a Beijing day as CSV with a signed digest, and what may be wrong with them."""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final, NamedTuple

from client_sim.bank.books import BankBooks, bank_ref
from client_sim.bank.faults import BillFault, FaultPlan
from client_sim.bank.keys import BankKeyring, sign
from client_sim.bank.orders import next_bank_ref

BEIJING: Final = timezone(timedelta(hours=8))
COLUMNS: Final = ("line", "bank_ref", "number", "kind", "account", "amount_fen", "state", "at")
FEW_S: Final = 5.0  # after midnight: where a row that was moved has its time


class BillRow(NamedTuple):
    """A row of a statement without its line number."""

    bank_ref: str
    number: str
    kind: str
    account: str
    amount_fen: int
    state: str
    at: str


class Bill(NamedTuple):
    """A statement as it leaves the bank. `rows` and `sha256` are what is signed, whatever `csv` holds."""

    day: str
    issue: int
    rows: int
    sha256: str
    csv: str
    serial: str
    signature: str

    def body(self, merchant: str) -> dict[str, Any]:
        """The reply to /bill."""
        return {"result": "ready", "merchant": merchant, **self._asdict()}

    def signature_file(self, merchant: str) -> dict[str, Any]:
        """The content of NAME.csv.sig."""
        told = {"day": self.day, "issue": self.issue, "rows": self.rows, "sha256": self.sha256}
        return {"gateway": "bank", "merchant": merchant, **told, "serial": self.serial, "signature": self.signature}


class Bills:
    """Makes statements, the same one whenever it is asked for the same day and issue."""

    def __init__(self, books: BankBooks, merchant: str, keys: BankKeyring, plan: FaultPlan) -> None:
        self._books, self._merchant, self._keys, self.plan = books, merchant, keys, plan

    def fault(self, day: date) -> BillFault:
        """What is wrong with the statement of a day: what was ordered, else what the plan says."""
        row = self._books.row("SELECT fault FROM bill_faults WHERE day = ?", day.isoformat())
        return self.plan.of_bill(day.isoformat()) if row is None else BillFault(row["fault"])

    def order_fault(self, day: date, fault: BillFault) -> None:
        """Have something wrong with the statement of a day."""
        self._books.db.execute("INSERT OR REPLACE INTO bill_faults VALUES (?, ?)", (day.isoformat(), fault.value))

    def bill(self, day: date, now_s: float) -> Bill | None:
        """The newest statement of a day; None: there is none yet."""
        fault, t1 = self.fault(day), _midnight_s(day + timedelta(days=1))
        is_t2 = now_s >= _midnight_s(day + timedelta(days=2))
        if now_s < t1 or (fault is BillFault.LATE and not is_t2):
            return None
        is_corrected = fault is BillFault.CORRECTED and is_t2
        rows = self._rows(day)
        wrong = rows if is_corrected else self._with_fault(rows, day, fault)
        return self._signed(day, wrong, 2 if is_corrected else 1, fault)

    def _rows(self, day: date) -> list[BillRow]:
        """What was posted on a day, and what was moved to it from the day before."""
        rows = self._posted(day)
        before = day - timedelta(days=1)
        if self.fault(before) is BillFault.ROW_MOVED and (moved := self._chosen(self._posted(before), before)):
            at = datetime.fromtimestamp(_midnight_s(day) + FEW_S, BEIJING)
            rows.insert(0, moved._replace(at=at.isoformat(timespec="milliseconds")))
        return rows

    def _posted(self, day: date) -> list[BillRow]:
        found = self._books.rows(
            "SELECT * FROM postings WHERE kind <> 'opening' AND at_s >= ? AND at_s < ? ORDER BY id",
            _midnight_s(day),
            _midnight_s(day + timedelta(days=1)),
        )
        return [
            BillRow(
                bank_ref(row["id"]),
                row["number"],
                row["kind"],
                row["account"],
                row["fen"],
                row["state"],
                datetime.fromtimestamp(row["at_s"], BEIJING).isoformat(timespec="milliseconds"),
            )
            for row in found
        ]

    def _chosen(self, rows: list[BillRow], day: date) -> BillRow | None:
        return self.plan.draw(day.isoformat()).choice(rows) if rows else None

    def _with_fault(self, rows: list[BillRow], day: date, fault: BillFault) -> list[BillRow]:
        chosen = self._chosen(self._posted(day), day)
        if chosen is None:
            return rows
        place = rows.index(chosen)
        if fault in (BillFault.ROW_MISSING, BillFault.CORRECTED, BillFault.ROW_MOVED):
            return rows[:place] + rows[place + 1 :]
        if fault is BillFault.ROW_DUPLICATED:
            return [*rows, chosen]
        if fault is BillFault.ROW_CHANGED:
            return [*rows[:place], chosen._replace(amount_fen=chosen.amount_fen + 1), *rows[place + 1 :]]
        if fault is BillFault.ROW_EXTRA:
            number = str(int(chosen.number) + 1)
            return [*rows, chosen._replace(bank_ref=next_bank_ref(self._books), number=number)]
        return rows

    def _signed(self, day: date, rows: list[BillRow], issue: int, fault: BillFault) -> Bill:
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((line, *row) for line, row in enumerate(rows, 1))
        text = file.getvalue()
        digest = hashlib.sha256(text.encode()).hexdigest()
        if fault is BillFault.WRONG_DIGEST:
            digest = hashlib.sha256(b"another file").hexdigest()
        if fault is BillFault.TRUNCATED:
            text = text[: len(text) * 2 // 3]
        lines = ("statement", self._merchant, day.isoformat(), str(issue), str(len(rows)), digest)
        serial, private = list(self._keys.bank.items())[-1]
        signature = sign(private, "\n".join(lines).encode())
        return Bill(day.isoformat(), issue, len(rows), digest, text, serial, signature)


def beijing_day(at_s: float) -> date:
    """The Beijing day of a time."""
    return datetime.fromtimestamp(at_s, BEIJING).date()


def _midnight_s(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=BEIJING).timestamp()
