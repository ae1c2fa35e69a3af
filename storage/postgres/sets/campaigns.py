"""Sponsors, campaigns, leases and bills over sets: all of a sponsor's is in the set of the sponsor.

The ids of campaigns and leases have that set. Who is a sponsor stands in set 0, which logins ask, and in the set of
the sponsor, where their campaigns are. Events that are reported of users, and what sponsors give for them, are in
set 0. A campaign of a set that is away waits, and holds up no other one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final

from storage import statements
from storage.errors import StoreUnavailable
from storage.postgres.campaigns.campaigns import CampaignStore
from storage.postgres.campaigns.leases import LeaseStore, Plan
from storage.postgres.enterprise.bills import BillStore
from storage.postgres.sets.places import HOME, all_of, any_of, grouped, settled

if TYPE_CHECKING:
    from storage.postgres.campaigns.campaigns import (
        CampaignRow,
        CampaignTotals,
        Created,
        HourRow,
        Progress,
        Returned,
    )
    from storage.postgres.campaigns.leases import ClosedLease, LeaseRow, WinRow
    from storage.postgres.enterprise.bills import BillDay, BillRow, NewBill
    from storage.postgres.money.wallets import TransferRow
    from storage.postgres.packets.packets import ClaimRow, PacketRow
    from storage.postgres.packets.seed_trees import PacketSeeds
    from storage.postgres.sets.places import Sets

SQL: Final = statements.load(__file__)
NOTHING: Final = Plan(0, 0, None, None, None)  # to lease


class SetCampaignStore(CampaignStore):
    """The campaigns of all sets."""

    tells_changes = False  # the triggers of further sets reach no server

    def __init__(self, sets: Sets) -> None:
        self._sets = sets
        self._stores = [CampaignStore(one) for one in sets.databases]

    async def set_of_sponsor(self, sponsor_id: int) -> int:
        """A new user is placed."""
        return (await self._sets.place([sponsor_id]))[sponsor_id]

    async def put_sponsor(self, user_id: int, name: str, now_ms: int) -> None:
        """In set 0 and in the set of the user; again is harmless."""
        for number in sorted({HOME, await self.set_of_sponsor(user_id)}):
            await self._stores[number].put_sponsor(user_id, name, now_ms)

    async def create(
        self, row: CampaignRow, kind: str, transfer: TransferRow, seeds: Callable[[], PacketSeeds]
    ) -> Created:
        """In the set of its sponsor."""
        return await self._of(row.campaign_id).create(row, kind, transfer, seeds)

    async def before(self, sponsor_id: int, key: str) -> CampaignRow | None:
        """In the set of the sponsor."""
        return await self._stores[(await self._sets.of_users([sponsor_id]))[sponsor_id]].before(sponsor_id, key)

    async def rows(self, campaign_ids: Collection[int]) -> dict[int, CampaignRow]:
        """Of the sets that answer; raises StoreUnavailable if none does."""
        by_set = self._sets.packets_by_set(campaign_ids)
        done = await any_of({number: self._stores[number].rows(ids) for number, ids in by_set.items()})
        return {campaign_id: row for rows in done.values() for campaign_id, row in rows.items()}

    async def open_ids(self) -> list[int]:
        """Of the sets that answer; raises StoreUnavailable if none does."""
        done = await any_of({number: one.open_ids() for number, one in enumerate(self._stores)})
        return sorted(campaign_id for ids in done.values() for campaign_id in ids)

    async def page(self, before_id: int, most: int) -> list[CampaignRow]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        found = await all_of({number: one.page(before_id, most) for number, one in enumerate(self._stores)})
        rows = [row for some in found.values() for row in some]
        return sorted(rows, key=lambda row: -row.campaign_id)[:most]

    async def change(self, campaign_id: int, state: str) -> CampaignRow | None:
        """In the set of the campaign."""
        return await self._of(campaign_id).change(campaign_id, state)

    async def end_due(self, now_ms: int) -> None:
        """In the sets that answer."""
        await settled({number: one.end_due(now_ms) for number, one in enumerate(self._stores)})

    async def start_due(self, now_ms: int) -> None:
        """In the sets that answer."""
        await settled({number: one.start_due(now_ms) for number, one in enumerate(self._stores)})

    async def progress(self, campaign_ids: Collection[int]) -> list[Progress]:
        """Of the sets that answer."""
        by_set = self._sets.packets_by_set(campaign_ids)
        done, _ = await settled({number: self._stores[number].progress(ids) for number, ids in by_set.items()})
        return [one for some in done.values() for one in some]

    async def publish(self, campaign_id: int, left: int, now_ms: int) -> None:
        """In the set of the campaign."""
        await self._of(campaign_id).publish(campaign_id, left, now_ms)

    async def close(self, campaign_id: int, now_ms: int, kind: int) -> Returned | None:
        """In the set of the campaign; None while it is away."""
        if self._sets.databases[self._sets.of_packet(campaign_id)].away:
            return None
        return await self._of(campaign_id).close(campaign_id, now_ms, kind)

    async def count(self, counted: Sequence[tuple[int, int, int, int, int]]) -> None:
        """In the sets that answer: counts of others are lost, as those of a server that is killed."""
        by_set = grouped(counted, lambda one: self._sets.of_packet(one[0]))
        await settled({number: self._stores[number].count(some) for number, some in by_set.items()})

    async def report(self, campaign_id: int) -> tuple[CampaignTotals, list[HourRow]]:
        """In the set of the campaign."""
        return await self._of(campaign_id).report(campaign_id)

    def _of(self, campaign_id: int) -> CampaignStore:
        return self._stores[self._sets.of_packet(campaign_id)]


class SetLeaseStore(LeaseStore):
    """The leases and wins of all sets, each in that of its campaign. Servers are in set 0."""

    def __init__(self, sets: Sets) -> None:
        self._sets = sets
        self._stores = [LeaseStore(one) for one in sets.databases]

    def set_of_campaign(self, campaign_id: int) -> int:
        """Its id has it."""
        return self._sets.of_packet(campaign_id)

    async def plan(self, campaign_id: int) -> Plan:
        """In the set of the campaign; nothing while it is away."""
        try:
            return await self._of(campaign_id).plan(campaign_id)
        except StoreUnavailable:
            return NOTHING

    async def take(
        self, lease: LeaseRow, server_id: int, packet: PacketRow, transfer: TransferRow, rest_of: int | None
    ) -> bool:
        """In the set of the campaign."""
        return await self._of(lease.campaign_id).take(lease, server_id, packet, transfer, rest_of)

    async def abandoned(self, server_id: int, known: Collection[int], dead_s: float, most: int) -> list[int]:
        """In the sets that answer."""
        async with self._sets.home.reading() as connection:
            living = [row["server_id"] for row in await connection.fetch(SQL["living"], dead_s)]
        words = server_id, list(known), living, most
        done, _ = await settled(
            {number: self._abandoned(number, *words) for number in range(len(self._sets.databases))}
        )
        return [packet_id for ids in done.values() for packet_id in ids][:most]

    async def _abandoned(
        self, number: int, server_id: int, known: Sequence[int], living: Sequence[int], most: int
    ) -> list[int]:
        async with self._sets.databases[number].reading() as connection:
            rows = await connection.fetch(SQL["abandoned"], server_id, known, living, most)
        return [row["packet_id"] for row in rows]

    async def find(self, packet_ids: Sequence[int]) -> dict[int, LeaseRow]:
        """Raises StoreUnavailable if one of the sets gives no answer."""
        by_set = self._sets.packets_by_set(packet_ids)
        found = await all_of({number: self._stores[number].find(ids) for number, ids in by_set.items()})
        return {packet_id: row for rows in found.values() for packet_id, row in rows.items()}

    async def close(self, packet_ids: Sequence[int], now_ms: int, kind: int) -> list[ClosedLease]:
        """A transaction in each set. Raises StoreUnavailable if one gives no answer: others may have closed."""
        by_set = self._sets.packets_by_set(packet_ids)
        closed = await all_of(
            {number: self._stores[number].close(ids, now_ms, kind) for number, ids in by_set.items()}
        )
        return [one for some in closed.values() for one in some]

    async def tell_wins(self, campaign_ids: Collection[int], now_ms: int) -> None:
        """In the sets that answer."""
        by_set = self._sets.packets_by_set(campaign_ids)
        await settled({number: self._stores[number].tell_wins(ids, now_ms) for number, ids in by_set.items()})

    async def newest_wins(self, asked: Sequence[tuple[int, int]]) -> dict[tuple[int, int], WinRow]:
        """Raises StoreUnavailable if one of the sets gives no answer: a missing win would be one too many."""
        by_set = grouped(asked, lambda one: self._sets.of_packet(one[0]))
        found = await all_of({number: self._stores[number].newest_wins(some) for number, some in by_set.items()})
        return {pair: row for rows in found.values() for pair, row in rows.items()}

    async def wins_of(self, campaign_id: int, user_id: int) -> list[ClaimRow]:
        """In the set of the campaign."""
        return await self._of(campaign_id).wins_of(campaign_id, user_id)

    async def won_numbers(self, campaign_id: int) -> list[tuple[int, int]]:
        """In the set of the campaign."""
        return await self._of(campaign_id).won_numbers(campaign_id)

    async def won_share(self, packet_id: int, user_id: int) -> ClaimRow | None:
        """In the set of the lease."""
        return await self._of(packet_id).won_share(packet_id, user_id)

    def _of(self, number: int) -> LeaseStore:
        """Of a campaign or a lease."""
        return self._stores[self._sets.of_packet(number)]


class SetBillStore(BillStore):
    """Bills, with their packets, in the sets of their sponsors; events of users in set 0."""

    def __init__(self, sets: Sets) -> None:
        super().__init__(sets.home)
        self._sets = sets
        self._stores = [BillStore(one) for one in sets.databases]

    async def begin(self, bill: NewBill, day: BillDay) -> BillRow:
        """In the set of the sponsor."""
        return await (await self._of(bill.sponsor_id)).begin(bill, day)

    async def fail(self, sponsor_id: int, number: str, reason: str, now_ms: int) -> None:
        """In the set of the sponsor."""
        await (await self._of(sponsor_id)).fail(sponsor_id, number, reason, now_ms)

    async def find(self, sponsor_id: int, number: str) -> BillRow | None:
        """In the set of the sponsor."""
        return await (await self._of(sponsor_id)).find(sponsor_id, number)

    async def page(self, sponsor_id: int, before_ms: int, before: str, most: int) -> list[BillRow]:
        """In the set of the sponsor."""
        return await (await self._of(sponsor_id)).page(sponsor_id, before_ms, before, most)

    async def _of(self, sponsor_id: int) -> BillStore:
        return self._stores[(await self._sets.of_users([sponsor_id]))[sponsor_id]]
