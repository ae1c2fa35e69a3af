"""What an audit of both books reads: payments, statements as they are stored, and breaks; all of one moment.

With several sets of PostgreSQL payments are in all of them, and the rest is in set 0. Then each set is read as of a
moment of its own, which all begin together.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from storage import statements

if TYPE_CHECKING:
    from storage.postgres.database import Database
    from storage.postgres.sessions import Session

_SQL = statements.load(__file__)
_PREFETCH: Final = 5_000


class StoredStatement(NamedTuple):
    """A statement as it is recorded."""

    statement_id: int
    sha256: str
    is_current: bool


class StoredBreak(NamedTuple):
    """The newest break of a subject. If a later statement resolved it, `closed_uid` is None."""

    break_id: int
    break_class: str
    subject: str
    day: date | None
    is_closed: bool
    closed_uid: int | None
    reason: str


class ExportedPayment(NamedTuple):
    """A payment for others to check. `booked_fen`: what its transfers have moved to or from the outside."""

    number: int
    gateway: str
    kind: str
    user_id: int
    account: str
    amount_fen: int
    state: str
    created_at_ms: int
    changed_at_ms: int
    booked_fen: int


class BothBooks:
    """The records as of one moment. All methods raise StoreUnavailable."""

    def __init__(self, connections: Sequence[Session]) -> None:
        """The first one has all but the payments of other sets."""
        self._connection = connections[0]
        self._all = connections

    async def stay(self) -> None:
        """Ask for nothing, so that the moment is kept while there is other work to do."""
        for connection in self._all:
            await connection.execute("SELECT 1")

    async def payments(
        self, gateway: str, from_ms: int, to_ms: int, numbers: Sequence[int], after: int, up_to: int
    ) -> AsyncIterator[tuple[Any, ...]]:
        """Payments that may stand in a statement of this time, or have one of these numbers, in their order.

        Only those with a number after one, up to another one.
        """
        arguments = gateway, from_ms, to_ms, numbers, after, up_to
        async for row in self._by_number("payments", *arguments):
            yield row

    async def statement(self, gateway: str, day: date, issue: int) -> StoredStatement | None:
        """A statement, if it was imported."""
        row = await self._connection.fetchrow(_SQL["statement"], gateway, day, issue)
        return None if row is None else StoredStatement(*row)

    async def rows(self, statement_id: int) -> AsyncIterator[tuple[Any, ...]]:
        """The rows of a statement, in the order of their lines."""
        async for row in self._connection.cursor(_SQL["stored_rows"], statement_id, prefetch=_PREFETCH):
            yield tuple(row)

    async def breaks(self, gateway: str, classes: Sequence[str], subjects: Sequence[str]) -> list[StoredBreak]:
        """The newest break of each of these subjects of a class."""
        rows = await self._connection.fetch(_SQL["breaks"], gateway, classes, subjects)
        return [StoredBreak(*row) for row in rows]

    async def open_breaks(
        self, gateway: str, classes: Sequence[str], days: Sequence[date]
    ) -> AsyncIterator[StoredBreak]:
        """Open breaks of these classes and days, in the order of their subjects as numbers of 20 digits."""
        async for row in self._connection.cursor(_SQL["open_breaks"], gateway, classes, days, prefetch=_PREFETCH):
            yield StoredBreak(*row)

    async def export(self, gateway: str, from_ms: int, to_ms: int) -> AsyncIterator[ExportedPayment]:
        """Payments of a gateway (empty: of all) that may stand in a statement of this time, by their numbers."""
        async for row in self._by_number("export", gateway, from_ms, to_ms):
            yield ExportedPayment(*row)

    async def _by_number(self, question: str, *arguments: object) -> AsyncIterator[tuple[Any, ...]]:
        """What all sets answer, each in the order of the numbers, joined in this order."""
        cursors = [aiter(one.cursor(_SQL[question], *arguments, prefetch=_PREFETCH)) for one in self._all]
        heads = [(row, cursor) for cursor in cursors if (row := await anext(cursor, None)) is not None]
        while heads:
            place = min(range(len(heads)), key=lambda place: int(heads[place][0][0]))
            row, cursor = heads[place]
            yield tuple(row)
            if (following := await anext(cursor, None)) is None:
                del heads[place]
            else:
                heads[place] = following, cursor


@asynccontextmanager
async def both_books(databases: Sequence[Database]) -> AsyncIterator[BothBooks]:
    """The records as of one moment, of set 0 and of others. Raises StoreUnavailable."""
    async with AsyncExitStack() as stack:
        entered = [await stack.enter_async_context(one.snapshot()) for one in databases]
        books = BothBooks(entered)
        await books.stay()
        yield books
