"""What a user sent and received: totals by year, and pages of packets, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.postgres.packets.packets import PacketRow

if TYPE_CHECKING:
    from storage.postgres.database import Database

_SQL = statements.load(__file__)


class YearRow(NamedTuple):
    """The totals of one user and year."""

    year: int
    sent_count: int
    sent_fen: int
    received_count: int
    received_fen: int
    best_lucks: int


class RecordRow(NamedTuple):
    """One packet in the records of its sender or of an opener."""

    at_ms: int  # sent, or opened
    amount_fen: int  # its total, or the user's share
    is_best: bool  # the user opened it, and had the best luck
    packet: PacketRow


class Span(NamedTuple):
    """A part of the records: from a moment on, up to a line that does not belong to it."""

    from_ms: int
    before_at_ms: int
    before_packet_id: int


class RecordStore:
    """Reads the records. A page (`sent`, `received`) is 20 rows and one more if others follow."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def years(self, user_id: int) -> list[YearRow]:
        """All the years in which a user sent or received anything, newest first."""
        async with self._database.reading() as connection:
            return [YearRow(*row) for row in await connection.fetch(_SQL["years"], user_id)]

    async def sent(self, user_id: int, span: Span) -> list[RecordRow]:
        """What a user sent, newest first."""
        return await self._page("sent", user_id, span)

    async def received(self, user_id: int, span: Span) -> list[RecordRow]:
        """What is in a user's wallet, newest first."""
        return await self._page("received", user_id, span)

    async def _page(self, statement: str, user_id: int, span: Span) -> list[RecordRow]:
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL[statement], user_id, *span)
        return [RecordRow(row[0], row[1], row[2], PacketRow(*row[3:])) for row in rows]
