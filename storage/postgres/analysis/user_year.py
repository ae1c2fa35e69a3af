"""Reads what one user did in a year. With several sets, each is asked: the user's wallet and packets are in one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from storage import statements

if TYPE_CHECKING:
    import asyncpg

    from storage.postgres.database import Database
    from storage.postgres.sessions import Session

_SQL = statements.load(__file__)


class YearSpan(NamedTuple):
    """A user, and a year as moments."""

    user_id: int
    year: int
    from_ms: int
    to_ms: int


class SentInYear(NamedTuple):
    """A packet that the user sent. `emptied_ms`: how long it took several users to open it all."""

    at_ms: int
    total_fen: int
    shares: int
    greeting: str
    emptied_ms: int | None


class GivenTo(NamedTuple):
    """What another user opened of the user's packets."""

    user_id: int
    shares: int
    amount_fen: int


class ShareInYear(NamedTuple):
    """A share that the user opened and that is in the wallet.

    `place`: how many were opened before it. `after_ms`: since the packet was sent.
    """

    at_ms: int
    amount_fen: int
    place: int
    sender_id: int
    kind: str
    after_ms: int
    is_best: bool


class YearReader:
    """The statements, over the snapshots of all sets."""

    def __init__(self, snapshots: Sequence[Session]) -> None:
        self._snapshots = snapshots

    async def totals(self, span: YearSpan) -> tuple[int, int, int, int, int]:
        """Packets sent and their sum, shares received and their sum, best lucks: as the user's records say."""
        rows = await self._all("totals", span.user_id, span.year)
        sent, sent_fen, received, received_fen, lucks = (
            sum(column) for column in zip((0,) * 5, *rows, strict=True)
        )
        return sent, sent_fen, received, received_fen, lucks

    async def givers(self, year: int, amount_fen: int) -> tuple[int, int]:
        """How many users sent anything in the year, and how many of them less than this."""
        rows = await self._all("givers", year, amount_fen)
        return sum(row[0] for row in rows), sum(row[1] for row in rows)

    async def sent(self, span: YearSpan) -> list[SentInYear]:
        """The packets of the user, oldest first."""
        return [SentInYear(*row) for row in await self._all("sent", span.user_id, span.from_ms, span.to_ms)]

    async def generous_to(self, span: YearSpan) -> list[GivenTo]:
        """The five users who opened most of it, the largest sum first."""
        return [GivenTo(*row) for row in await self._all("generous_to", span.user_id, span.from_ms, span.to_ms)]

    async def shares(self, span: YearSpan) -> list[ShareInYear]:
        """The shares that the user received, oldest first."""
        packets = [row[0] for row in await self._all("received", span.user_id, span.from_ms, span.to_ms)]
        return sorted(ShareInYear(*row) for row in await self._all("shares", span.user_id, packets))

    async def names(self, users: Sequence[int]) -> dict[int, str]:
        """The names of these users, without those who have none."""
        return {row[0]: row[1] for row in await self._all("names", users)}

    async def _all(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = []
        for snapshot in self._snapshots:
            rows += await snapshot.fetch(_SQL[statement], *arguments)
        return rows


@asynccontextmanager
async def reading_year(databases: Sequence[Database]) -> AsyncIterator[YearReader]:
    """A snapshot of each set. Raises StoreUnavailable."""
    async with AsyncExitStack() as stack:
        yield YearReader([await stack.enter_async_context(one.snapshot()) for one in databases])
