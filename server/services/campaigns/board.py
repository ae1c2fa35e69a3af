"""The campaigns in memory, kept in step with the record: by the change feed, and by reading what was won."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Final

from server.core.campaigns.published import border
from server.core.enterprise.events import EventKind
from server.services.campaigns.live_campaign import LiveCampaign
from server.services.chat.groups import GroupService
from server.services.enterprise.reported import ReportedUsers
from server.services.runtime.change_feed import ChangeFeed
from storage.postgres.campaigns.campaigns import CampaignRow, CampaignStore

CLOSED_MAX: Final = 10_000  # campaigns whose books are closed, remembered to say that they have ended


class CampaignBoard:
    """All campaigns whose books are open, by id."""

    def __init__(
        self,
        store: CampaignStore,
        groups: GroupService,
        reported: ReportedUsers,
        changes: ChangeFeed,
        count_step: int,
        now_ms: Callable[[], int],
        unrecorded: Callable[[], int],
    ) -> None:
        """`count_step`: the borders at which the number of shares left is published.

        `unrecorded`: claims that users were told of and that are not recorded yet, of all packets.
        """
        self._store = store
        self._groups = groups
        self._reported = reported
        self._count_step = count_step
        self._now_ms = now_ms
        self._unrecorded = unrecorded
        self._by_id: dict[int, LiveCampaign] = {}
        # A campaign, if its books are open. Each shake asks, so no function stands around it.
        self.get: Callable[[int], LiveCampaign | None] = self._by_id.get
        self.closed: dict[int, None] = {}  # ids, the oldest first
        self._uncounted: list[LiveCampaign] = []  # closed, with shakes that are not written yet
        changes.on_change("campaign", self.follow)
        changes.on_gap(self.catch_up)

    def all(self) -> list[LiveCampaign]:
        """All of them, the oldest first, in whatever order they were read."""
        return [live for _, live in sorted(self._by_id.items())]

    def to_count(self) -> list[LiveCampaign]:
        """All campaigns of which shakes may have been counted since the last call."""
        uncounted, self._uncounted = self._uncounted, []
        return [*self.all(), *uncounted]

    async def follow(self, campaign_id: int, version: int) -> None:
        """A campaign was made or has changed."""
        await self._read([campaign_id])

    async def catch_up(self) -> None:
        """Any campaign may have changed."""
        await self._read({*await self._store.open_ids(), *self._by_id})

    async def _read(self, campaign_ids: Iterable[int]) -> None:
        if ids := [*campaign_ids]:
            for row in (await self._store.rows(ids)).values():
                await self.put(row)

    async def put(self, row: CampaignRow) -> None:
        """Memory follows the record; an older reading changes nothing."""
        if row.group_id:
            await self._groups.keep([row.group_id])
        live = self._by_id.get(row.campaign_id)
        if row.closed_at_ms is not None:
            if self._by_id.pop(row.campaign_id, None) is not None and live is not None:
                self._uncounted.append(live)
            self.closed[row.campaign_id] = None
            if len(self.closed) > CLOSED_MAX:
                del self.closed[next(iter(self.closed))]
        elif live is None and row.campaign_id not in self.closed:
            self._by_id[row.campaign_id] = LiveCampaign(row, self._audience(row))
        elif live is not None and row.version > live.row.version:
            live.follow(row)

    def _audience(self, row: CampaignRow) -> Container[int] | None:
        if row.event_kind:
            return self._reported.audience(row.sponsor_id, EventKind(row.event_kind))
        return self._groups.audience((row.group_id,)) if row.group_id else None

    # --- what is left -----------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Read what was won, and publish what is left at a new border. Raises StoreUnavailable."""
        if not self._store.tells_changes:  # of further sets, one of which may have been away
            await self.catch_up()
        if not self._by_id:
            return
        unrecorded = self._unrecorded()
        known = {one.campaign_id: one.given_here - one.wins.in_flight - unrecorded for one in self.all()}
        for one in await self._store.progress(known):  # not of one that comes meanwhile
            live = self._by_id.get(one.campaign_id)
            if live is None:
                continue
            live.recorded = max(live.recorded, one.won)
            live.known_here = max(live.known_here, known[one.campaign_id])
            if one.published_left < live.published_left:
                live.publish(one.published_left, one.published_at_ms)
            await self._publish(live)

    async def _publish(self, live: LiveCampaign) -> None:
        """Recorded shares only: others may be given once more."""
        left = border(live.row.shares - live.recorded, live.row.shares, self._count_step)
        if left < live.published_left:
            now_ms = self._now_ms()
            await self._store.publish(live.campaign_id, left, now_ms)
            live.publish(left, now_ms)
