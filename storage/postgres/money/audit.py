"""What the audit reads: one snapshot of the records, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.postgres.packets.packets import ClaimRow, PacketRow

if TYPE_CHECKING:
    import asyncpg

    from storage.postgres.database import Database

_SQL = statements.load(__file__)
_PREFETCH = 2_000


class SumsRow(NamedTuple):
    """The whole of the books in fourteen numbers."""

    packets: int
    claims: int
    transfers: int
    wallets: int
    wallets_fen: int
    in_packets_fen: int
    put_in_fen: int
    taken_out_fen: int
    waiting_claims: int
    waiting_fen: int
    unopened_fen: int
    funded_fen: int
    claimed_fen: int
    refunded_fen: int


class AuditSnapshot:
    """The records as of one moment."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def discrepancies(self, check: str, *arguments: object) -> list[str]:
        """What a named check of audit.sql finds."""
        return [row[0] for row in await self._connection.fetch(_SQL[check], *arguments)]

    async def sums(self, moves_nothing: Sequence[int]) -> SumsRow:
        """The totals. `moves_nothing`: kinds of transfer that are not to be summed."""
        row = await self._connection.fetchrow(_SQL["sums"], moves_nothing)
        assert row is not None
        return SumsRow(*row)

    async def opened_packets(self) -> AsyncIterator[tuple[PacketRow, list[ClaimRow]]]:
        """Every packet that has claims, with them by index; a few thousand rows in memory at a time."""
        packet: PacketRow | None = None
        claims: list[ClaimRow] = []
        async for row in self._connection.cursor(_SQL["opened"], prefetch=_PREFETCH):
            if packet is None or packet.packet_id != row["packet_id"]:
                if packet is not None:
                    yield packet, claims
                packet, claims = PacketRow(*row[:16]), []
            claims.append(ClaimRow(packet.packet_id, *row[16:]))
        if packet is not None:
            yield packet, claims


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[AuditSnapshot]:
    """A snapshot to audit. Raises StoreUnavailable."""
    async with database.snapshot() as connection:
        yield AuditSnapshot(connection)
