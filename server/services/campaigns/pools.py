"""Pools of campaigns: made from the deck and the seed, dealt in parts that never hold up the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Final

from server.core.campaigns import deck
from server.core.campaigns.pool import Pool
from server.core.packet_request import Terms
from server.services.campaigns.live_campaign import LiveCampaign
from server.services.packets.stored_state import terms_of
from server.services.seeds.service import SeedService
from storage.errors import StoreBusy
from storage.postgres.campaigns.campaigns import CampaignRow, CampaignStore
from storage.postgres.campaigns.leases import LeaseStore
from storage.postgres.packets.packets import PacketRow

PART: Final = 32  # numbers dealt at once: the first ones of a large pool take 30 µs each


class PoolSealed(StoreBusy):
    """The seed of a campaign cannot be unsealed: its key is lost. As with a lock, only its own steps wait."""


def kind_of(row: CampaignRow) -> str:
    """What stands for the kind of packet in the seed of a campaign's pool."""
    return deck.parsed(row.deck).kind


async def deal(pool: Pool, first: int, count: int) -> tuple[int, ...]:
    """The amounts of `count` numbers from `first` on; the loop does other work in between."""
    dealt: list[int] = []
    for start in range(first, first + count, PART):
        dealt += pool.amounts(start, min(PART, first + count - start))
        await asyncio.sleep(0)
    return tuple(dealt)


class Pools:
    """Makes pools. Raises StoreUnavailable, PoolSealed."""

    def __init__(
        self,
        seeds: SeedService,
        campaigns: CampaignStore,
        leases: LeaseStore,
        get: Callable[[int], LiveCampaign | None],
        dealt_to: Callable[[int], tuple[int, ...]],
    ) -> None:
        """`get`: a campaign in memory; `dealt_to`: the amounts of a lease of this server."""
        self._seeds = seeds
        self._campaigns = campaigns
        self._leases = leases
        self._get = get
        self._dealt_to = dealt_to

    async def of(self, live: LiveCampaign) -> Pool:
        """The pool of a campaign; kept with it."""
        if live.pool is None:
            live.pool = await self._made(live.row)
        return live.pool

    async def _made(self, row: CampaignRow) -> Pool:
        packet = row.pool_packet(kind_of(row))
        seed = (await self._seeds.of([packet])).get(row.campaign_id)
        if seed is None:
            raise PoolSealed(f"the seed of campaign {row.campaign_id} cannot be unsealed")
        # a pool of draws looks for its eggs: in a thread, where it takes seconds at most
        return await asyncio.to_thread(Pool, deck.parsed(row.deck), seed)

    async def terms_of(self, rows: Mapping[int, PacketRow]) -> dict[int, Terms]:
        """The terms of leases, with what was dealt to them; without it if the seed of their campaign is sealed."""
        held = {packet_id: self._dealt_to(packet_id) for packet_id in rows}
        held |= await self._dealt({packet_id for packet_id, dealt in held.items() if not dealt})
        return {packet_id: terms_of(row, dealt=held.get(packet_id, ())) for packet_id, row in rows.items()}

    async def _dealt(self, packet_ids: Collection[int]) -> dict[int, tuple[int, ...]]:
        """What was dealt to the leases of other servers."""
        leases = await self._leases.find(list(packet_ids)) if packet_ids else {}
        pools = await self._unsealed({one.campaign_id for one in leases.values()})
        return {
            packet_id: await deal(pools[lease.campaign_id], lease.first_number, lease.numbers)
            for packet_id, lease in leases.items()
            if lease.campaign_id in pools
        }

    async def _unsealed(self, campaign_ids: Collection[int]) -> dict[int, Pool]:
        """The pools of these campaigns, but for those whose seed is sealed."""
        lives = {campaign_id: self._get(campaign_id) for campaign_id in campaign_ids}  # one may end meanwhile
        rows = await self._campaigns.rows([campaign_id for campaign_id, live in lives.items() if live is None])
        pools = {}
        for campaign_id, live in lives.items():
            with suppress(PoolSealed):
                pools[campaign_id] = await (self._made(rows[campaign_id]) if live is None else self.of(live))
        return pools
