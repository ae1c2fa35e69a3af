"""The bills of a sponsor in the order of their last attempts, for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from storage import statements

if TYPE_CHECKING:
    from storage.postgres.database import Database

_SQL = statements.load(__file__)


class BillLine(NamedTuple):
    """A bill in a list; None while there is no packet, or no claim of it."""

    number: str
    user_id: int
    amount_fen: int
    asked_at_ms: int
    failed: str
    packet_id: int | None
    expires_at_ms: int | None
    closed_at_ms: int | None
    received_at_ms: int | None


class BillListStore:
    """Statements on lists of bills."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def before(self, sponsor_id: int, asked_at_ms: int, number: str, most: int) -> list[BillLine]:
        """Up to `most` bills before this time and number, the newest first."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["before"], sponsor_id, asked_at_ms, number, most)
        return [BillLine(*row) for row in rows]
