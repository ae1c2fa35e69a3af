"""What runs campaigns, made once, with what it needs of the other services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from server.clock import Clock
from server.config.values import CampaignsSection
from server.core.ids import IdMaker
from server.core.limits import Limits
from server.services.campaigns.board import CampaignBoard
from server.services.campaigns.ends import CampaignLoop
from server.services.campaigns.leases import LeaseBook, LeaseKeeper
from server.services.campaigns.pools import Pools
from server.services.campaigns.proofs import PoolProofs
from server.services.campaigns.service import CampaignService
from server.services.campaigns.shake import ShakeService
from server.services.chat.groups import GroupService
from server.services.chat.people import PeopleService
from server.services.enterprise.reported import ReportedUsers
from server.services.packets.commit.path import CommitPath
from server.services.packets.live_packets import LivePackets
from server.services.packets.mirror_health import MirrorHealth
from server.services.packets.recovery import Recovery
from server.services.packets.refund import PacketClosing
from server.services.runtime.batching import Batcher
from server.services.runtime.bus import Bus
from server.services.runtime.change_feed import ChangeFeed
from server.services.seeds.service import SeedService
from storage.stores import Stores


class CampaignServices:
    """Sponsors, campaigns, shakes."""

    def __init__(
        self,
        config: CampaignsSection,
        stores: Stores,
        clock: Clock,
        limits: Limits,
        ids: IdMaker,
        bus: Bus,
        *,
        book: LeaseBook,
        server_id: int,
        changes: ChangeFeed,
        groups: GroupService,
        people: PeopleService,
        reported: ReportedUsers,
        seeds: SeedService,
        health: MirrorHealth,
        packets: LivePackets,
        recovery: Recovery,
        commit: CommitPath,
        is_confirmed: Callable[[], bool],
    ) -> None:
        now_ms = clock.now_ms

        def unrecorded() -> int:  # with durability postgres a win is recorded when its user is told
            return commit.unrecorded if health.decides else 0

        self.config = config
        self.board = CampaignBoard(
            stores.campaigns, groups, reported, changes, config.count_step, now_ms, unrecorded
        )
        pools = Pools(seeds, stores.campaigns, stores.leases, self.board.get, book.dealt_to)
        closing = PacketClosing(stores.packets, stores.mirror, health, packets, pools.terms_of)
        leasing = stores.leases, book, self.board, pools, packets, recovery, closing, ids, server_id, now_ms
        self.keeper = LeaseKeeper(*leasing, changes, bus)
        self.service = CampaignService(
            stores.campaigns, self.board, self.keeper, groups, people, seeds, changes, limits, ids, now_ms, bus
        )
        self.proofs = PoolProofs(stores.campaigns, stores.leases, self.service, seeds)
        records = stores.campaigns, stores.leases
        deciding = self.board, book, self.keeper, *records, commit, reported, changes, limits, bus, now_ms
        self.shakes = ShakeService(*deciding, clock.random_part, config.on_overload, config.rest_ms)
        self.loop = CampaignLoop(*records, self.board, self.keeper, now_ms, is_confirmed, bus)

    @property
    def waiting(self) -> int:
        """Shakes that are answered later."""
        shakes = self.shakes
        return shakes.waiting + shakes.unknown.waiting + shakes.unknown_users.waiting

    @property
    def batchers(self) -> dict[str, Batcher[Any, Any]]:
        """The queues of work that is done in batches, by name."""
        return {"wins": self.shakes.wins, "unknown_campaigns": self.shakes.unknown.batcher}
