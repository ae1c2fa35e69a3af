"""The audit of a third party: files of the bank against the records, which are trusted as little as the files.

It reads the files again, verifies them, compares each stored row with them, and matches by the rules in Python, not
by the statements of SQL that the server matches with. Every difference must be a break that was closed by a user.
Rows and payments pass through it one by one, so its memory does not grow with their number.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

from server.core.reconciliation.days import DAY_MS, SKEW_MS, first_ms
from server.core.reconciliation.match import match
from server.core.reconciliation.rules import OurPayment, RowClass
from server.core.reconciliation.statement_file import BankLine, check_lines, parse_line
from server.services.money.seed_audit import Finding
from server.services.reconciliation.explained import Differences
from server.services.reconciliation.files import SignedStatement, pieces_of
from server.services.reconciliation.placed_rows import PlacedRows
from storage.postgres.database import Database
from storage.postgres.reconciliation.both_books import BothBooks, both_books

CLAIM: Final = "the bank's rows are those that were imported; what differs from our payments is an explained break"
BREATHE_ROWS: Final = 500
STAY_ROWS: Final = 5_000
NUMBERS_PAGE: Final = 5_000  # whose payments are asked for at once
NUMBER_MAX: Final = 2**63 - 1


class BankReport(NamedTuple):
    """The audit of the statements of one gateway: rows and amount by class, and what is wrong."""

    gateway: str
    classes: dict[RowClass, tuple[int, int]]
    finding: Finding


async def audit_bank(databases: Sequence[Database], files: Iterable[SignedStatement]) -> list[BankReport]:
    """Audit statements, and the payments of their days, in one snapshot of each set; set 0 comes first.

    Raises BadStatement, StoreUnavailable, and OSError if there is no room for temporary files.
    """
    by_gateway: dict[str, list[SignedStatement]] = {}
    for one in sorted(files, key=lambda one: (one.claim.day, one.claim.issue)):
        by_gateway.setdefault(one.claim.gateway, []).append(one)
    async with both_books(databases) as books:
        return [await _audit(books, gateway, given) for gateway, given in by_gateway.items()]


async def _audit(books: BothBooks, gateway: str, given: Sequence[SignedStatement]) -> BankReport:
    newest = {one.claim.day: one for one in given}  # the highest issue of a day comes last
    wrong: list[str] = []
    with PlacedRows() as rows:
        for one in newest.values():
            wrong += await _read(books, one, rows)
        await rows.place(partial(_breathe, books))
        from_ms, to_ms = first_ms(min(newest)) - SKEW_MS, first_ms(max(newest)) + DAY_MS + SKEW_MS
        payments = _payments(books, gateway, from_ms, to_ms, rows.numbers())
        differences = Differences(books, gateway, list(newest))
        count = 0
        async for found in match(rows, payments, newest):
            await differences.take(found)
            count += 1
            await _breathe(books, count)
        wrong += await differences.lines()
    return BankReport(gateway, differences.totals, Finding(f"bank {gateway}", CLAIM, wrong))


async def _read(books: BothBooks, file: SignedStatement, rows: PlacedRows) -> list[str]:
    """Read a file into `rows`; in what the records of it differ from it, up to the first row that does."""
    claim = file.claim
    name = f"issue {claim.issue} of {claim.day}"
    stored = await books.statement(claim.gateway, claim.day, claim.issue)
    if stored is None:
        for row, text in _lines(file):
            rows.add(row, text)
            await _breathe(books, row.line)
        return [f"{name} was not imported"]
    wrong = [] if stored.sha256 == claim.sha256 else [f"{name} was imported with another digest"]
    if not stored.is_current:
        wrong.append(f"{name} was corrected by a later issue, which is not given")
    differs = ""
    recorded = books.rows(stored.statement_id)
    for row, text in _lines(file):
        rows.add(row, text)
        await _breathe(books, row.line)
        if not differs:
            told: tuple[object, ...] | None = await anext(recorded, None)
            if told != row[1:]:
                differs = f"{name}, line {row.line}: the records have another row, {told}"
    if not differs and await _has_more(recorded):
        differs = f"{name}: the records have more rows than the file"
    return [*wrong, differs] if differs else wrong


def _lines(file: SignedStatement) -> Iterator[tuple[BankLine, str]]:
    """The rows of a file, each with its line. Raises BadStatement."""
    for piece in pieces_of(file):
        check_lines(piece)
        for text in piece.decode().splitlines():
            yield parse_line(file.claim.day, text), text


async def _breathe(books: BothBooks, count: int) -> None:
    """After some rows give other tasks a turn, and keep the snapshot: PostgreSQL ends one that is idle for 5 s."""
    if count % STAY_ROWS == 0:
        await books.stay()
    elif count % BREATHE_ROWS == 0:
        await asyncio.sleep(0)


async def _has_more(rows: AsyncIterator[tuple[object, ...]]) -> bool:
    return await anext(rows, None) is not None


async def _payments(
    books: BothBooks, gateway: str, from_ms: int, to_ms: int, numbers: Iterator[int]
) -> AsyncIterator[OurPayment]:
    """Payments that may stand in a statement of this time, or have one of these numbers, in their order."""
    after = 0
    while page := list(islice(numbers, NUMBERS_PAGE)):
        async for row in books.payments(gateway, from_ms, to_ms, page, after, page[-1]):
            yield OurPayment(*row)
        after = page[-1]
    async for row in books.payments(gateway, from_ms, to_ms, [], after, NUMBER_MAX):
        yield OurPayment(*row)
