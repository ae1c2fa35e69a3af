"""The file of a statement: its lines, and the signed text about them. Pure.

A file has one line for each booking, after a header, in UTF-8 with line feeds. No field holds a comma, a quote or a
space, so a line is split at its commas. What stands beside it (`NAME.csv.sig`) is signed by the bank.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

HEADER: Final = b"line,bank_ref,number,kind,account,amount_fen,state,at\n"
KINDS: Final = ("charge", "payout", "refund")
STATES: Final = ("succeeded", "failed", "reversed")
LINE_BYTES_MAX: Final = 512
ROWS_MAX: Final = 50_000_000
ISSUE_MAX: Final = 9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_TOKEN: Final = rb"[!#-&(-+\--~]"  # printable, without comma, quotes and space
_LINE: Final = (
    rb"[1-9]\d{0,8}," + _TOKEN + rb"{1,64}," + _TOKEN + rb"{0,64},(?:charge|payout|refund)," + _TOKEN + rb"{0,64},"
    rb"\d{1,18},(?:succeeded|failed|reversed),"
    rb"20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?\+08:00\n"
)
_ONE: Final = re.compile(_LINE)
_MANY: Final = re.compile(rb"(?:" + _LINE + rb")*+")


class BadStatement(Exception):
    """The file is no statement that can be imported; the message is one line."""


class BankLine(NamedTuple):
    """One line of a statement of `day`. `number`: ours, as the bank has it; it may be empty or none of ours."""

    day: date
    line: int
    bank_ref: str
    number: str
    kind: str
    account: str
    amount_fen: int
    state: str
    at_ms: int


class StatementClaim(NamedTuple):
    """What the bank signs about a file. `issue` 1 is that of T+1; a higher one replaces those before it."""

    gateway: str
    merchant: str
    day: date
    issue: int
    rows: int
    sha256: str

    @property
    def signed_text(self) -> bytes:
        """The bytes under the signature."""
        lines = ("statement", self.merchant, self.day.isoformat(), str(self.issue), str(self.rows), self.sha256)
        return "\n".join(lines).encode()


def check_lines(lines: bytes) -> None:
    """Check whole lines of the file, without the header. Raises BadStatement, which names the first bad one."""
    end = _MANY.match(lines)
    assert end is not None
    if end.end() != len(lines):
        bad = lines[end.end() :].partition(b"\n")[0][:80].decode("utf-8", "replace")
        raise BadStatement(f"a line is not as the format says: {bad!r}")


def parse_lines(day: date, lines: bytes) -> Iterator[BankLine]:
    """The lines of a statement of a day, without the header. Raises BadStatement."""
    check_lines(lines)
    for line in lines.decode().splitlines():
        yield parse_line(day, line)


def parse_line(day: date, text: str) -> BankLine:
    """A line that was checked. Raises BadStatement if its time does not exist."""
    line, bank_ref, payment, kind, account, amount_fen, state, at = text.split(",")
    try:
        at_ms = (datetime.fromisoformat(at) - _EPOCH) // _MILLISECOND
    except ValueError:
        raise BadStatement(f"line {line}: there is no such time: {at}") from None
    return BankLine(day, int(line), bank_ref, payment, kind, account, int(amount_fen), state, at_ms)


def can_be_account(text: str) -> bool:
    """Whether a statement can name a card so."""
    return re.fullmatch(_TOKEN + rb"{1,64}", text.encode()) is not None


def payment_number(number: str) -> int | None:
    """The number of a payment of ours that a line names; None: it cannot be one."""
    if re.fullmatch("[1-9][0-9]{0,18}", number) is None:
        return None
    return int(number) if int(number) < 2**63 else None
