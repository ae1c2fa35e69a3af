"""Differences of both books against the breaks: each must be one that a user of the system has closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Final

from server.core.reconciliation.match import Match
from server.core.reconciliation.rules import AGREED, RowClass
from storage.postgres.reconciliation.both_books import BothBooks, StoredBreak

# Classes that a row has whatever the other days say: a break of them must be found again in its file.
_OF_ONE_ROW: Final = (RowClass.AMOUNT, RowClass.STATE, RowClass.OTHER_ACCOUNT)
PAGE: Final = 500  # differences whose breaks are asked for at once
LINES_MAX: Final = 1_000  # that are named; the rest is counted


class Lines:
    """The first lines about what is wrong, and how many there are besides."""

    def __init__(self, about: str) -> None:
        self._about = about
        self._first: list[str] = []
        self._more = 0

    def add(self, line: str) -> None:
        """One more."""
        if len(self._first) < LINES_MAX:
            self._first.append(line)
        else:
            self._more += 1

    def all(self) -> list[str]:
        """What is told."""
        return self._first + ([f"and {self._more} {self._about} more"] if self._more else [])


class Differences:
    """Takes the matches in the order of their numbers. `totals`: rows and amount by class."""

    def __init__(self, books: BothBooks, gateway: str, days: Sequence[date]) -> None:
        self._books, self._gateway = books, gateway
        self._rows: Counter[RowClass] = Counter()
        self._amounts: Counter[RowClass] = Counter()
        self._page: list[Match] = []
        self._open = books.open_breaks(gateway, [str(one) for one in _OF_ONE_ROW], days)
        self._next_open: StoredBreak | None = None
        self._has_begun = False
        self._unexplained, self._not_found = Lines("differences"), Lines("open breaks")

    @property
    def totals(self) -> dict[RowClass, tuple[int, int]]:
        """Rows and their amount by class."""
        return {name: (self._rows[name], self._amounts[name]) for name in RowClass if self._rows[name]}

    async def take(self, found: Match) -> None:
        """One more match. Raises StoreUnavailable."""
        side = found.row or found.payment
        assert side is not None
        self._rows[found.row_class] += 1
        self._amounts[found.row_class] += side.amount_fen
        if found.row_class not in AGREED:
            self._page.append(found)
            if len(self._page) == PAGE:
                await self._explain()

    async def lines(self) -> list[str]:
        """All is taken: what is not explained, then open breaks that the files do not show."""
        await self._explain()
        await self._skip_open(None, set())
        return self._unexplained.all() + self._not_found.all()

    async def _explain(self) -> None:
        page, self._page = self._page, []
        if not page:
            return
        classes, subjects = [str(one.row_class) for one in page], [one.subject for one in page]
        breaks = {(one.break_class, one.subject): one for one in await self._known(classes, subjects)}
        for one in page:
            if line := _unexplained(one, breaks.get((one.row_class.value, one.subject))):
                self._unexplained.add(line)
        of_one_row = [one.subject for one in page if one.row_class in _OF_ONE_ROW]
        if of_one_row:  # subjects are numbers here, and come in their order
            await self._skip_open(_key(of_one_row[-1]), set(zip(classes, subjects, strict=True)))

    async def _known(self, classes: Sequence[str], subjects: Sequence[str]) -> list[StoredBreak]:
        return await self._books.breaks(self._gateway, classes, subjects)

    async def _skip_open(self, up_to: str | None, found: set[tuple[str, str]]) -> None:
        """Tell open breaks up to a subject (None: all) that were not found. Each has one match at most."""
        if not self._has_begun:
            self._has_begun, self._next_open = True, await anext(self._open, None)
        while (one := self._next_open) is not None and (up_to is None or _key(one.subject) <= up_to):
            if (one.break_class, one.subject) not in found:
                about = f"{one.break_class} {one.subject}"
                self._not_found.add(f"break {one.break_id} ({about}) is open, and both books agree")
            self._next_open = await anext(self._open, None)


def _key(subject: str) -> str:
    """The order of open breaks in the records."""
    return subject.rjust(20, "0")[:20]


def _unexplained(found: Match, known: StoredBreak | None) -> str:
    """What is wrong with a difference; empty: a user of the system has closed its break with a reason."""
    about = f"{found.row_class} {found.subject}: {_sides(found)}"
    if known is None or (known.is_closed and known.closed_uid is None):
        return f"{about}; no break tells it"
    return "" if known.is_closed else f"{about}; break {known.break_id} is open"


def _sides(found: Match) -> str:
    row, payment = found.row, found.payment
    theirs = f"{row.kind} of {row.amount_fen} ¤ {row.state}" if row is not None else "no row"
    ours = f"{payment.amount_fen} ¤ {payment.state}" if payment is not None else "no such payment"
    return f"the bank {theirs}, we {ours}"
