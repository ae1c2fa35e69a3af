"""Simulated stores of campaigns and leases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from storage.postgres.campaigns import campaigns, leases
from storage.postgres.campaigns.campaigns import CampaignRow, Created, Progress, Returned
from storage.postgres.campaigns.leases import ClosedLease, LeaseRow, Plan, WinRow
from storage.postgres.money.wallets import TransferRow
from storage.postgres.packets.packets import PacketRow
from storage.postgres.packets.seed_trees import PacketSeeds


class SimCampaigns(campaigns.CampaignStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def put_sponsor(self, user_id: int, name: str, now_ms: int) -> None:
        await self._line.call("put_sponsor", lambda: self._tables.put_sponsor(user_id, name))

    async def create(
        self, row: CampaignRow, kind: str, transfer: TransferRow, seeds: Callable[[], PacketSeeds]
    ) -> Created:
        return await self._line.call(
            "create_campaign", lambda: self._tables.create_campaign(row, kind, transfer, seeds())
        )

    async def before(self, sponsor_id: int, key: str) -> CampaignRow | None:
        return await self._line.call("campaign_before", lambda: self._tables.campaign_of_key(sponsor_id, key))

    async def rows(self, campaign_ids: Collection[int]) -> dict[int, CampaignRow]:
        frozen = list(campaign_ids)
        return await self._line.call("campaigns", lambda: self._tables.campaign_rows(frozen))

    async def open_ids(self) -> list[int]:
        if not self._tables.sponsors:
            return []  # without a call: worlds without a sponsor are as they were before there were any
        return await self._line.call("open_campaigns", self._tables.open_campaigns)

    async def change(self, campaign_id: int, state: str) -> CampaignRow | None:
        return await self._line.call("change_campaign", lambda: self._tables.change_campaign(campaign_id, state))

    async def end_due(self, now_ms: int) -> None:
        await self._line.call("end_campaigns", lambda: self._tables.end_due(now_ms))

    async def progress(self, campaign_ids: Collection[int]) -> list[Progress]:
        return await self._line.call("progress", lambda: self._tables.progress(campaign_ids))

    async def publish(self, campaign_id: int, left: int, now_ms: int) -> None:
        await self._line.call("publish", lambda: self._tables.publish(campaign_id, left, now_ms))

    async def close(self, campaign_id: int, now_ms: int, kind: int) -> Returned | None:
        return await self._line.call(
            "close_campaign", lambda: self._tables.close_campaign(campaign_id, now_ms, kind)
        )

    async def count(self, counted: Sequence[tuple[int, int, int, int, int]]) -> None:
        frozen = list(counted)
        await self._line.call("count_hours", lambda: self._tables.count_hours(frozen))

    async def start_due(self, now_ms: int) -> None:
        """A world has no receivers of webhooks."""


class SimLeases(leases.LeaseStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def plan(self, campaign_id: int) -> Plan:
        return await self._line.call("lease_plan", lambda: self._tables.lease_plan(campaign_id))

    async def take(
        self, lease: LeaseRow, server_id: int, packet: PacketRow, transfer: TransferRow, rest_of: int | None
    ) -> bool:
        change = lease, server_id, packet, transfer, rest_of
        return await self._line.call("take_lease", lambda: self._tables.take_lease(*change))

    async def abandoned(self, server_id: int, known: Collection[int], dead_s: float, most: int) -> list[int]:
        asked = server_id, known, dead_s, most
        return await self._line.call("abandoned", lambda: self._tables.abandoned_leases(*asked))

    async def find(self, packet_ids: Sequence[int]) -> dict[int, LeaseRow]:
        return await self._line.call("find_leases", lambda: self._tables.find_leases(packet_ids))

    async def close(self, packet_ids: Sequence[int], now_ms: int, kind: int) -> list[ClosedLease]:
        frozen = list(packet_ids)
        return await self._line.call("close_leases", lambda: self._tables.close_leases(frozen, now_ms, kind))

    async def newest_wins(self, asked: Sequence[tuple[int, int]]) -> dict[tuple[int, int], WinRow]:
        frozen = list(asked)
        return await self._line.call("newest_wins", lambda: self._tables.newest_wins(frozen))

    async def tell_wins(self, campaign_ids: Collection[int], now_ms: int) -> None:
        """A world has no receivers of webhooks."""
