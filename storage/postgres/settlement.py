"""The settlement queue: claims whose money is not in a wallet yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from storage import statements

if TYPE_CHECKING:
    from storage.postgres.database import Database

_SQL = statements.load(__file__)


class Credit(NamedTuple):
    """What one user got in one batch."""

    user_id: int
    change_fen: int
    balance_fen: int


class Backlog(NamedTuple):
    """What waits. `oldest_ms` is None when nothing does."""

    claims: int
    amount_fen: int
    oldest_ms: int | None


class Settlement:
    """Statements on the queue."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lane = database.lane()

    async def settle(self, most: int, now_ms: int) -> tuple[int, list[Credit]]:
        """Credit up to `most` claims, largest first, in one statement; how many were taken, and the credits."""
        async with self._lane.alone() as connection:
            rows = await connection.fetch(_SQL["settle"], most, now_ms)
        taken = rows[0]["taken"] if rows else 0
        return taken, [Credit(row["user_id"], row["change_fen"], row["balance_fen"]) for row in rows]

    async def backlog(self) -> Backlog:
        """How much waits, and since when."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["backlog"])
        return Backlog(*row) if row is not None else Backlog(0, 0, None)
