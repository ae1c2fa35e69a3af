"""What the audit reads: one snapshot of the records, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.postgres.campaigns.campaigns import CampaignRow
from storage.postgres.packets.packets import ClaimRow, PacketRow
from storage.postgres.packets.seed_trees import SeedTreeRow

if TYPE_CHECKING:
    import asyncpg

    from storage.postgres.database import Database

_SQL = statements.load(__file__)
_PREFETCH = 2_000
_LEASES = 50


class SumsRow(NamedTuple):
    """The whole of the books in sixteen numbers."""

    packets: int
    claims: int
    transfers: int
    wallets: int
    wallets_fen: int
    in_packets_fen: int
    put_in_fen: int
    taken_out_fen: int
    in_transit_fen: int
    waiting_claims: int
    waiting_fen: int
    unopened_fen: int
    funded_fen: int
    claimed_fen: int
    refunded_fen: int
    in_pools_fen: int


class AuditedLease(NamedTuple):
    """Numbers of a pool that were leased, what they were worth together, and the amounts of those that were won."""

    packet_id: int
    first_number: int
    numbers: int
    total_fen: int
    rest: int
    won_fen: list[int]


class AuditedPacket(NamedTuple):
    """A packet, the sealed tree of its server seed and the key of the seal, if it has one, and its claims."""

    row: PacketRow
    sealed: bytes | None
    key_id: str | None
    claims: list[ClaimRow]


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

    async def packets(self) -> AsyncIterator[AuditedPacket]:
        """Every packet, with its claims by index; a few thousand rows in memory at a time."""
        packet: AuditedPacket | None = None
        async for row in self._connection.cursor(_SQL["packets"], prefetch=_PREFETCH):
            if packet is None or packet.row.packet_id != row["packet_id"]:
                if packet is not None:
                    yield packet
                packet = AuditedPacket(PacketRow(*row[:16]), row["sealed"], row["key_id"], [])
            if row["index"] is not None:
                packet.claims.append(ClaimRow(packet.row.packet_id, *row[18:]))
        if packet is not None:
            yield packet

    async def campaigns(self) -> list[tuple[CampaignRow, bytes | None, str | None]]:
        """Every campaign, with the sealed tree of its server seed and the key of the seal, if it has one."""
        rows = await self._connection.fetch(_SQL["campaigns"])
        return [(CampaignRow(*row[:21]), row["sealed"], row["key_id"]) for row in rows]

    async def leases(self, campaign_id: int) -> AsyncIterator[AuditedLease]:
        """Every lease of a campaign, in the order of the numbers."""
        async for row in self._connection.cursor(_SQL["won_numbers"], campaign_id, prefetch=_LEASES):
            yield AuditedLease(*row)

    async def trees(self) -> AsyncIterator[tuple[SeedTreeRow, list[int]]]:
        """Every tree of server seeds, with the indexes of those that are revealed."""
        async for row in self._connection.cursor(_SQL["trees"], prefetch=_PREFETCH):
            yield SeedTreeRow(*row[:6]), row["indexes"]


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[AuditSnapshot]:
    """A snapshot to audit. Raises StoreUnavailable."""
    async with database.snapshot() as connection:
        yield AuditSnapshot(connection)
