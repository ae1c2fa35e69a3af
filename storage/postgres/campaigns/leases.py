"""Leases of a campaign's numbers, and the wins of users."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.postgres.money import wallets
from storage.postgres.money.wallets import TransferRow
from storage.postgres.packets import packets
from storage.postgres.packets.packets import ClaimRow, PacketRow

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)
_LOCK_OPEN = statements.load(packets.__file__, "refunds")["lock_open"]


class Plan(NamedTuple):
    """Numbers that may be leased next, as recorded: never leased ones, and the rest of one closed lease, if any."""

    next_number: int
    shares: int
    rest_of: int | None
    rest_first: int | None
    rest_numbers: int | None


class LeaseRow(NamedTuple):
    """A lease: `numbers` numbers of a pool from `first_number` on."""

    packet_id: int
    campaign_id: int
    first_number: int
    numbers: int


class ClosedLease(NamedTuple):
    """A lease that was closed, and how many of its numbers were not won."""

    packet_id: int
    campaign_id: int
    rest: int
    returned_fen: int


class WinRow(NamedTuple):
    """The newest win of a user in a campaign, the n-th."""

    campaign_id: int
    user_id: int
    n: int
    packet_id: int
    index: int  # type: ignore[assignment]  # the column's name hides tuple.index, which is not called
    amount_fen: int


class LeaseStore:
    """Statements on leases and wins. All methods raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set_of_campaign(self, campaign_id: int) -> int:
        """The set of PostgreSQL in which a campaign and its leases are."""
        return 0

    async def plan(self, campaign_id: int) -> Plan:
        """What may be leased next."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["plan"], campaign_id)
        assert row is not None
        return Plan(*row)

    async def take(
        self, lease: LeaseRow, server_id: int, packet: PacketRow, transfer: TransferRow, rest_of: int | None
    ) -> bool:
        """Record a lease, its packet and its money; False if another server was first, or the campaign is not open.

        `rest_of`: the closed lease whose rest it is; None: numbers that were never leased.
        """
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(_SQL["lock_campaign"], lease.campaign_id)
            if row is None or row["state"] != "open":
                return False
            if rest_of is not None:
                taken = await connection.fetchval(_SQL["take_rest"], rest_of, lease.packet_id, lease.numbers)
                if taken is None:
                    return False
            elif row["next_number"] != lease.first_number:
                return False
            else:
                end = lease.first_number + lease.numbers
                await connection.execute(_SQL["take_next"], lease.campaign_id, end)
            await packets.insert(connection, [packet])
            await connection.execute(_SQL["insert"], *lease, server_id)
            await wallets.insert_transfer(connection, transfer)
            return True

    async def abandoned(self, server_id: int, known: Collection[int], dead_s: float, most: int) -> list[int]:
        """Open leases that no living server gives away. `server_id`, `known`: this server, and those that it knows.

        `dead_s`: a server that has been silent for so long does not live.
        """
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["abandoned"], server_id, list(known), dead_s, most)
        return [row["packet_id"] for row in rows]

    async def find(self, packet_ids: Sequence[int]) -> dict[int, LeaseRow]:
        """The leases among these packets."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["find"], packet_ids)
        return {row["packet_id"]: LeaseRow(*row) for row in rows}

    async def close(self, packet_ids: Sequence[int], now_ms: int, kind: int) -> list[ClosedLease]:
        """Close leases; what was not won goes back to the pool. One that is closed already is left out.

        `kind`: that of the transfers.
        """
        async with self._database.transaction() as connection:
            locked = [row["packet_id"] for row in await connection.fetch(_LOCK_OPEN, packet_ids)]
            rows = await connection.fetch(_SQL["close"], locked, now_ms, kind)
        return [ClosedLease(*row) for row in rows]

    async def tell_wins(self, campaign_ids: Collection[int], now_ms: int) -> None:
        """Write the events of what was won in these campaigns and is not told yet."""
        async with self._database.reading() as connection:
            await connection.execute(_SQL["tell_wins"], list(campaign_ids), now_ms)

    async def newest_wins(self, asked: Sequence[tuple[int, int]]) -> dict[tuple[int, int], WinRow]:
        """The newest wins by campaign and user, of those of these pairs that have any."""
        campaigns, users = [campaign_id for campaign_id, _ in asked], [user_id for _, user_id in asked]
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["wins"], campaigns, users)
        return {(row["campaign_id"], row["user_id"]): WinRow(*row) for row in rows}

    async def wins_of(self, campaign_id: int, user_id: int) -> list[ClaimRow]:
        """What a user has won in a campaign, in order; the index is the number in the pool."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["wins_of_user"], campaign_id, user_id)
        return [ClaimRow(campaign_id, *row) for row in rows]

    async def won_numbers(self, campaign_id: int) -> list[tuple[int, int]]:
        """The numbers of a pool that were won, in order, each with its amount in fen."""
        async with self._database.reading() as connection:
            return [tuple(row) for row in await connection.fetch(_SQL["won_numbers"], campaign_id)]

    async def won_share(self, packet_id: int, user_id: int) -> ClaimRow | None:
        """The share of a lease that a user has won."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["won_share"], packet_id, user_id)
        return None if row is None else ClaimRow(packet_id, row["index"], user_id, row["amount_fen"], row["at_ms"])


async def tell_all_wins(connection: Connection, campaign_id: int, now_ms: int) -> None:
    """Write the events of all wins of a campaign whose leases are closed; waits for a server that tells of some."""
    await connection.execute(_SQL["lock_untold"], campaign_id)
    await connection.execute(_SQL["tell_wins"], [campaign_id], now_ms)
