"""Reconciliation over sets: what belongs to the house is in set 0, what belongs to a payment is beside it.

Statements of banks, their rows and what these differ in from our payments are in set 0. A statement is compared
there with the payments of all sets: those of other sets are brought into a table of set 0, each set as of one
moment, in the transaction that compares. Evidence that contradicts the end of a payment is a break in the set of
the payment, which writes it in the transaction of the evidence.

Corrections of a break may be in any set (see `between.corrections`). Breaks of set n have numbers from n × 10^9 on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from storage import statements
from storage.errors import StoreUnavailable
from storage.postgres.reconciliation import breaks
from storage.postgres.reconciliation.breaks import BreakRow, BreakStore
from storage.postgres.reconciliation.matching import LOCK_GATEWAY, MatchingStore
from storage.postgres.sessions import wait_for_locks
from storage.postgres.sets.places import HOME, all_of, any_of

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database
    from storage.postgres.sessions import Session
    from storage.postgres.sets.places import Sets

SQL: Final = statements.load(__file__)
CHUNK: Final = 5_000  # payments that are brought at once


class SetMatchingStore(MatchingStore):
    """Statements are matched in set 0, with the payments of all sets. A set that is away holds up the match."""

    def __init__(self, sets: Sets) -> None:
        super().__init__(sets.home)
        self._sets = sets

    async def _bring(self, connection: Session, gateway: str, statement_id: int, skew_ms: int | None) -> None:
        """As of one moment in each of the other sets. Raises StoreUnavailable if one of them gives no answer."""
        if skew_ms is None:
            await wait_for_locks(connection)  # another server may bring the same ones
            await connection.execute(LOCK_GATEWAY, gateway)
        brought = 0
        for number, database in enumerate(self._sets.databases):
            if number == HOME:
                continue
            if database.away:
                raise StoreUnavailable(database.away)
            async with database.snapshot() as there:
                if skew_ms is None:
                    brought += await _put_all(connection, there, "open", gateway)
                    continue
                day = await connection.fetchval(SQL["day"], statement_id)
                brought += await _put_all(connection, there, "of_day", gateway, day, skew_ms)
                asked = gateway, statement_id, self._sets.first_id, number
                async for numbers in _pages(connection, SQL["numbers"], *asked):
                    named = [row["number"] for row in numbers]
                    brought += await _put(connection, await there.fetch(SQL["of_numbers"], gateway, named))
        if brought:
            await connection.execute("ANALYZE payments_of_sets")

    async def _let_go(self, connection: Session) -> None:
        """So no other transaction ever sees them."""
        await connection.execute(SQL["let_go"])


async def _put_all(connection: Session, there: Session, question: str, *arguments: object) -> int:
    """Put what a set answers beside the payments of set 0; how many there were."""
    brought = 0
    async for rows in _pages(there, SQL[question], *arguments):
        brought += await _put(connection, rows)
    return brought


async def _put(connection: Session, rows: Sequence[Any]) -> int:
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        await connection.execute(SQL["put"], *columns)
    return len(rows)


async def _pages(connection: Session, query: str, *arguments: object) -> AsyncIterator[Sequence[Any]]:
    cursor = await connection.cursor(query, *arguments)
    while rows := await cursor.fetch(CHUNK):
        yield rows


class BreaksOfSet(BreakStore):
    """The breaks of one set. Corrections of them may be in any."""

    def __init__(self, sets: Sets, number: int) -> None:
        super().__init__(sets.databases[number])
        self._sets = sets

    async def _has_proposal(self, connection: Connection, break_id: int) -> bool:
        """In any set. A proposal holds the break, which is locked here, so none is made meanwhile."""
        found = await all_of(
            {number: _has_proposal_in(one, break_id) for number, one in enumerate(self._sets.databases)}
        )
        return any(found.values())


async def _has_proposal_in(database: Database, break_id: int) -> bool:
    async with database.reading() as connection:
        return await breaks.has_proposal(connection, break_id)


class SetBreakStore(BreakStore):
    """The breaks of all sets."""

    def __init__(self, sets: Sets) -> None:
        self._sets = sets
        self._stores = [BreaksOfSet(sets, number) for number in range(len(sets.databases))]

    async def figures(self, now_ms: int) -> dict[str, tuple[int, int]]:
        """Of the sets that answer. Raises StoreUnavailable if none does."""
        done = await any_of({number: one.figures(now_ms) for number, one in enumerate(self._stores)})
        found: dict[str, tuple[int, int]] = {}
        for some in done.values():
            for name, (count, oldest_ms) in some.items():
                before, before_ms = found.get(name, (0, oldest_ms))
                found[name] = before + count, min(before_ms, oldest_ms)
        return found

    async def newest(self, *, only_open: bool, break_class: str, day: date | None, most: int) -> list[BreakRow]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        found = await all_of(
            {
                number: one.newest(only_open=only_open, break_class=break_class, day=day, most=most)
                for number, one in enumerate(self._stores)
            }
        )
        rows = sorted((row for some in found.values() for row in some), key=lambda row: row.opened_at_ms)
        return await self._with_corrections(rows[::-1][:most])

    async def get(self, break_id: int) -> BreakRow | None:
        """In the set of the break."""
        row = await self._of(break_id).get(break_id)
        return None if row is None else (await self._with_corrections([row]))[0]

    async def own(self, break_id: int, uid: int, now_ms: int) -> bool:
        """In the set of the break."""
        return await self._of(break_id).own(break_id, uid, now_ms)

    async def close(self, break_id: int, uid: int, reason: str, now_ms: int) -> bool:
        """In the set of the break."""
        return await self._of(break_id).close(break_id, uid, reason, now_ms)

    async def _with_corrections(self, rows: Sequence[BreakRow]) -> list[BreakRow]:
        """With how many corrections they have in all sets."""
        ids = [row.break_id for row in rows]
        counts: Counter[int] = Counter()
        for some in (await all_of({n: _approved(one, ids) for n, one in enumerate(self._sets.databases)})).values():
            counts.update(some)
        return [row._replace(corrections=counts[row.break_id]) for row in rows]

    def _of(self, break_id: int) -> BreaksOfSet:
        return self._stores[self._sets.of_break(break_id)]


async def _approved(database: Database, break_ids: Sequence[int]) -> dict[int, int]:
    """How many corrections of breaks were approved in a set."""
    async with database.reading() as connection:
        return {row["break_id"]: row["times"] for row in await connection.fetch(SQL["approved"], break_ids)}
