"""Narrow copies of the records as of one moment, as CSV files: what a report needs, and no column more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from storage import statements
from storage.postgres.guards import unavailable_when_away

if TYPE_CHECKING:
    from storage.postgres.database import Database

_SQL = statements.load(__file__)
TABLES: Final = tuple(_SQL)  # in the order of the copy


class SentSpan(NamedTuple):
    """Packets that were sent at `from_ms` or later and before `to_ms`."""

    from_ms: int
    to_ms: int


Loaded = Callable[[str, Path], Awaitable[None]]


async def copy_narrow(database: Database, span: SentSpan, folder: Path, loaded: Loaded) -> int:
    """Copy all TABLES in one snapshot, read only; the time of the snapshot in ms, as the database has it.

    Each file is handed to `loaded` and then deleted, so that the disk holds one of them at a time. Raises
    StoreUnavailable; OSError if the folder has no room.
    """
    async with database.snapshot() as connection:
        with unavailable_when_away():
            taken_ms = int(await connection.fetchval("SELECT (extract(epoch FROM now()) * 1000)::bigint"))
            for table in TABLES:
                file = folder / f"{table}.csv"
                arguments = [value for number, value in enumerate(span, 1) if f"${number}" in _SQL[table]]
                await connection.copy_from_query(_SQL[table], *arguments, output=file, format="csv", timeout=None)
                await loaded(table, file)
                file.unlink()
    return taken_ms
