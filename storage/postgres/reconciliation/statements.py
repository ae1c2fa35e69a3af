"""Statements of banks as they are recorded: imported once for each issue, and never changed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

import asyncpg

from storage import statements
from storage.postgres.sessions import wait_for_locks

if TYPE_CHECKING:
    from storage.postgres.database import Database

_SQL = statements.load(__file__)
COLUMNS: Final = ("statement_id", "line", "bank_ref", "number", "kind", "account", "amount_fen", "state", "at")
_TEXTS: Final = ["bank_ref", "number", "kind", "account", "state"]  # an empty one is '', not null


class BankStatementRow(NamedTuple):
    """A statement; see migration 0019."""

    statement_id: int
    gateway: str
    merchant: str
    day: date
    issue: int
    rows: int
    sha256: str
    serial: str
    signature: str
    is_current: bool
    imported_at_ms: int
    imported_uid: int
    matched_at_ms: int | None


class RowsRefused(Exception):
    """The rows contradict what was signed, or are no rows; nothing was imported. The message is one line."""


class BankStatementStore:
    """Statements on statements of banks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self, gateway: str, day: date, issue: int) -> BankStatementRow | None:
        """The statement of this issue, if it was imported."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["known"], gateway, day, issue)
        return None if row is None else _row(row)

    async def insert(self, row: BankStatementRow, lines_of: Callable[[int], AsyncIterator[bytes]]) -> None:
        """Record a statement with its rows, all or nothing; the issues before it become history.

        `lines_of`: whole lines of the file, each with the number of the statement and a comma before it. Raises
        RowsRefused, StoreUnavailable, and what `lines_of` raises.
        """
        async with self._database.long_transaction() as connection:
            await wait_for_locks(connection)
            await connection.execute(_SQL["lock_gateway"], row.gateway)
            if await connection.fetchrow(_SQL["known"], row.gateway, row.day, row.issue) is not None:
                return  # another command was faster
            await connection.execute(_SQL["supersede"], row.gateway, row.day, row.issue)
            columns = row.gateway, row.merchant, row.day, row.issue, row.rows, row.sha256, row.serial, row.signature
            statement_id = await connection.fetchval(_SQL["insert"], *columns, row.imported_at_ms, row.imported_uid)
            with _refusing():
                await connection.copy_to_table(
                    "statement_rows",
                    source=lines_of(statement_id),
                    columns=COLUMNS,
                    format="csv",
                    force_not_null=_TEXTS,
                )
            counted = await connection.fetchrow(_SQL["counted"], statement_id, row.day)
            assert counted is not None
            _check(row, counted)
            await connection.execute("ANALYZE statements, statement_rows")

    async def unmatched(self, gateways: Sequence[str]) -> BankStatementRow | None:
        """The first statement that was not compared with our payments yet."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["unmatched"], gateways)
        return None if row is None else _row(row)

    async def results(self, statement_id: int) -> dict[str, tuple[int, int]]:
        """Rows and amount by class, as of the last match."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["results"], statement_id)
        return {row["class"]: (row["rows"], row["amount_fen"]) for row in rows}

    async def begin_source(self, gateway: str, since: date) -> None:
        """A gateway is expected to have statements from a day on, unless it was before."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["begin_source"], gateway, since)

    async def since(self, gateways: Sequence[str]) -> dict[str, date]:
        """From which day on these gateways are expected to have statements."""
        async with self._database.reading() as connection:
            return {row["gateway"]: row["since"] for row in await connection.fetch(_SQL["since"], gateways)}

    async def days(self, gateway: str, since: date) -> set[date]:
        """The days from one on that have a statement."""
        async with self._database.reading() as connection:
            return {row["day"] for row in await connection.fetch(_SQL["days"], gateway, since)}


def _row(record: asyncpg.Record) -> BankStatementRow:
    return BankStatementRow(*(record[name] for name in BankStatementRow._fields))


@contextmanager
def _refusing() -> Iterator[None]:
    """What PostgreSQL refuses is the fault of the file: a time that does not exist, a line that comes twice."""
    try:
        yield
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        row = re.search(r"line (\d+)", getattr(error, "context", None) or "")
        is_twice = isinstance(error, asyncpg.UniqueViolationError)
        why = "has the number of another one" if is_twice else f"cannot be read: {error.args[0]}"
        raise RowsRefused(f"row {row[1] if row else '?'} {why}") from None


def _check(row: BankStatementRow, counted: asyncpg.Record) -> None:
    if (counted["rows"], counted["first_line"], counted["last_line"]) != (row.rows, 1, row.rows):
        raise RowsRefused(f"it has {counted['rows']} rows, {row.rows} were signed; lines are numbered from 1")
    if counted["far_line"] is not None:
        raise RowsRefused(f"line {counted['far_line']} is of another day than {row.day}")
