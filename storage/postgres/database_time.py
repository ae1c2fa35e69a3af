"""The clock of the database server: the time that all servers of one database share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.postgres.database import Database

NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"


class DatabaseTimeStore:
    """Asks on a connection of its own: what waits for the pool would make the answer inexact."""

    def __init__(self, database: Database) -> None:
        self._connection = database.writer(reads=True)

    async def now_ms(self) -> float:
        """Milliseconds since 1970, at the moment of the statement. Raises StoreUnavailable."""
        async with self._connection.alone() as connection:
            seconds = await connection.fetchval(NOW)
            return float(seconds) * 1000
