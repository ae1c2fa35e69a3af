"""Breaks: what contradicts an end of a payment, and what a statement and our payments differ in."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from storage import statements

if TYPE_CHECKING:
    import asyncpg

    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)


class BreakRow(NamedTuple):
    """A break. `line` is that of the statement of `statement_day` and `issue`.

    If a later statement resolved it, `closed_uid` is None. Until `due_at_ms` it is in doubt. `difference_fen` is
    None of evidence.
    """

    break_id: int
    break_class: str
    gateway: str
    number: int | None
    bank_ref: str
    day: date | None
    statement_day: date | None
    issue: int | None
    line: int | None
    difference_fen: int | None
    detail: str
    opened_at_ms: int
    due_at_ms: int
    owner_uid: int | None
    closed_at_ms: int | None
    closed_uid: int | None
    reason: str
    corrections: int


class CannotClose(Exception):
    """The break is closed already, or a correction of it waits for a decision; the message says which."""


class BreakStore:
    """Statements on breaks. All raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def figures(self, now_ms: int) -> dict[str, tuple[int, int]]:
        """Open breaks that are not in doubt, by class: how many, and since when (ms) the oldest counts."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["figures"], now_ms)
        return {row["class"]: (row["breaks"], row["oldest_ms"]) for row in rows}

    async def newest(self, *, only_open: bool, break_class: str, day: date | None, most: int) -> list[BreakRow]:
        """The newest breaks of a class (empty: of all) and of a day (None: of all)."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["newest"], only_open, break_class, day, most, 0)
        return [_row(row) for row in rows]

    async def get(self, break_id: int) -> BreakRow | None:
        """A break."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["newest"], False, "", None, 1, break_id)
        return None if row is None else _row(row)

    async def own(self, break_id: int, uid: int, now_ms: int) -> bool:
        """A user of the system looks after an open break from now on; False: there is no such open break."""
        async with self._database.transaction() as connection:
            return await connection.fetchval(_SQL["own"], break_id, uid, now_ms) is not None

    async def close(self, break_id: int, uid: int, reason: str, now_ms: int) -> bool:
        """Close a break; False: there is none. Raises CannotClose."""
        async with self._database.transaction() as connection:
            is_closed = await connection.fetchval(_SQL["lock"], break_id)
            if is_closed is None:
                return False
            if is_closed:
                raise CannotClose("it is closed already")
            if await self._has_proposal(connection, break_id):
                raise CannotClose("a correction of it waits: approve or reject that first")
            await connection.execute(_SQL["close"], break_id, now_ms, uid, reason)
            return True

    async def _has_proposal(self, connection: Connection, break_id: int) -> bool:
        """Whether a correction of a break, which is locked, waits for a decision."""
        return await has_proposal(connection, break_id)


async def has_proposal(connection: Connection, break_id: int) -> bool:
    """Whether a correction of a break waits for a decision in this database."""
    return bool(await connection.fetchval(_SQL["has_proposal"], break_id))


def _row(row: asyncpg.Record) -> BreakRow:
    return BreakRow(
        row["break_id"],
        row["class"],
        row["of_gateway"] or "",
        row["number"],
        row["bank_ref"],
        row["day"],
        row["statement_day"],
        row["issue"],
        row["line"],
        row["difference_fen"],
        row["detail"],
        row["at_ms"],
        row["due_at_ms"],
        row["owner_uid"],
        row["closed_at_ms"],
        row["closed_uid"],
        row["reason"],
        row["corrections"],
    )
