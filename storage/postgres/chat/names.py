"""The names of users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from storage import statements

if TYPE_CHECKING:
    from storage.postgres.database import Database

_SQL = statements.load(__file__)


class NameStore:
    """Statements on names. Who has none has no row."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, user_id: int, name: str) -> None:
        """Call a user so from now on; "" takes the name away."""
        async with self._database.reading() as connection:
            if name:
                await connection.execute(_SQL["put"], user_id, name)
            else:
                await connection.execute(_SQL["take_away"], user_id)

    async def load(self, user_ids: Sequence[int]) -> dict[int, str]:
        """The names of those who have one."""
        async with self._database.reading() as connection:
            return {row["user_id"]: row["name"] for row in await connection.fetch(_SQL["load"], user_ids)}
