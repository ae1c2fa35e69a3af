"""The audit of a third party: files of the bank against the records, which are trusted as little as the files.

It reads the files again, verifies them, compares each stored row with them, and matches by the rules in Python, not
by the statements of SQL that the server matches with. Every difference must be a break that was closed by a user.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final, NamedTuple

from server.core.reconciliation.days import DAY_MS, SKEW_MS, first_ms
from server.core.reconciliation.match import Match, match
from server.core.reconciliation.rules import AGREED, OurPayment, RowClass
from server.core.reconciliation.statement_file import BankLine, parse_lines, payment_number
from server.services.money.seed_audit import Finding
from server.services.reconciliation.files import SignedStatement, pieces_of
from storage.postgres.database import Database
from storage.postgres.reconciliation.both_books import BothBooks, StoredBreak, both_books

# Classes that a row has whatever the other days say: a break of them must be found again in its file.
_OF_ONE_ROW: Final = (RowClass.AMOUNT, RowClass.STATE, RowClass.OTHER_ACCOUNT)
CLAIM: Final = "the bank's rows are those that were imported; what differs from our payments is an explained break"


class BankReport(NamedTuple):
    """The audit of the statements of one gateway: rows and amount by class, and what is wrong."""

    gateway: str
    classes: dict[RowClass, tuple[int, int]]
    finding: Finding


async def audit_bank(database: Database, files: Iterable[SignedStatement]) -> list[BankReport]:
    """Audit statements, and the payments of their days, in one snapshot. Raises BadStatement, StoreUnavailable."""
    by_gateway: dict[str, list[SignedStatement]] = {}
    for one in sorted(files, key=lambda one: (one.claim.day, one.claim.issue)):
        by_gateway.setdefault(one.claim.gateway, []).append(one)
    async with both_books(database) as books:
        return [await _audit(books, gateway, given) for gateway, given in by_gateway.items()]


async def _audit(books: BothBooks, gateway: str, given: Sequence[SignedStatement]) -> BankReport:
    newest = {one.claim.day: one for one in given}  # the highest issue of a day comes last
    wrong: list[str] = []
    rows: list[BankLine] = []
    for one in newest.values():
        read = [row for piece in pieces_of(one) for row in parse_lines(one.claim.day, piece)]
        wrong += await _stored_otherwise(books, one, read)
        rows += read
    from_ms, to_ms = first_ms(min(newest)) - SKEW_MS, first_ms(max(newest)) + DAY_MS + SKEW_MS
    numbers = {number for row in rows if (number := payment_number(row.number)) is not None}
    payments = [OurPayment(*row) async for row in books.payments(gateway, from_ms, to_ms, sorted(numbers))]
    found = list(match(rows, payments, newest))
    breaks = {(one.break_class, one.subject): one for one in await books.breaks(gateway)}
    wrong += [line for one in found if (line := _unexplained(one, breaks))]
    wrong += _not_found(found, [one for one in breaks.values() if one.day in newest])
    return BankReport(gateway, _totals(found), Finding(f"bank {gateway}", CLAIM, wrong))


async def _stored_otherwise(books: BothBooks, file: SignedStatement, read: Sequence[BankLine]) -> list[str]:
    """In what the records of a statement differ from its file."""
    claim = file.claim
    name = f"issue {claim.issue} of {claim.day}"
    stored = await books.statement(claim.gateway, claim.day, claim.issue)
    if stored is None:
        return [f"{name} was not imported"]
    wrong = [] if stored.sha256 == claim.sha256 else [f"{name} was imported with another digest"]
    if not stored.is_current:
        wrong.append(f"{name} was corrected by a later issue, which is not given")
    rows = books.rows(stored.statement_id)
    for row in read:
        told: tuple[object, ...] | None = await anext(rows, None)
        if told != row[1:]:
            return [*wrong, f"{name}, line {row.line}: the records have another row, {told}"]
    if await _has_more(rows):
        wrong.append(f"{name}: the records have more rows than the file")
    return wrong


async def _has_more(rows: AsyncIterator[tuple[object, ...]]) -> bool:
    return await anext(rows, None) is not None


def _unexplained(found: Match, breaks: dict[tuple[str, str], StoredBreak]) -> str:
    """What is wrong with a difference; empty: it is none, or a user of the system has closed it with a reason."""
    if found.row_class in AGREED:
        return ""
    known = breaks.get((found.row_class.value, found.subject))
    about = f"{found.row_class} {found.subject}: {_sides(found)}"
    if known is None or (known.is_closed and known.closed_uid is None):
        return f"{about}; no break tells it"
    return "" if known.is_closed else f"{about}; break {known.break_id} is open"


def _sides(found: Match) -> str:
    row, payment = found.row, found.payment
    theirs = f"{row.kind} of {row.amount_fen} ¤ {row.state}" if row is not None else "no row"
    ours = f"{payment.amount_fen} ¤ {payment.state}" if payment is not None else "no such payment"
    return f"the bank {theirs}, we {ours}"


def _not_found(found: Sequence[Match], breaks: Sequence[StoredBreak]) -> list[str]:
    """Open breaks of these days that the files do not show."""
    there = {(one.row_class.value, one.subject) for one in found}
    return [
        f"break {one.break_id} ({one.break_class} {one.subject}) is open, and both books agree"
        for one in breaks
        if not one.is_closed and one.break_class in _OF_ONE_ROW and (one.break_class, one.subject) not in there
    ]


def _totals(found: Sequence[Match]) -> dict[RowClass, tuple[int, int]]:
    rows: Counter[RowClass] = Counter(one.row_class for one in found)
    amounts: Counter[RowClass] = Counter()
    for one in found:
        side = one.row or one.payment
        assert side is not None
        amounts[one.row_class] += side.amount_fen
    return {name: (rows[name], amounts[name]) for name in RowClass if rows[name]}
