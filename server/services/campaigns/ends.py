"""The loop behind campaigns: leases ahead of need, starts and wins told, ends in time, the rest paid back once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from server.core.campaigns.terms import Stage, Wanted
from server.core.ledger import TransferKind, WalletBalance
from server.services.campaigns.board import CampaignBoard
from server.services.campaigns.leases import LeaseKeeper
from server.services.campaigns.live_campaign import LiveCampaign
from server.services.runtime.bus import Bus
from server.services.runtime.events import BalanceChange
from server.services.runtime.outage_log import OutageLog
from server.services.runtime.store_errors import StoreBusy, StoreUnavailable, despite_locks
from storage.postgres.campaigns.campaigns import HOUR_MS, CampaignStore
from storage.postgres.campaigns.leases import LeaseStore

ROUND_S: Final = 0.25
LOOK_EVERY: Final = 4  # rounds: reads what was won, and tells of it
COUNT_EVERY: Final = 20  # rounds: writes counts


class CampaignLoop:
    """Runs campaigns. Everything it does may be done again, and by several servers."""

    def __init__(
        self,
        store: CampaignStore,
        leases: LeaseStore,
        board: CampaignBoard,
        keeper: LeaseKeeper,
        now_ms: Callable[[], int],
        is_confirmed: Callable[[], bool],
        bus: Bus,
    ) -> None:
        """What is final, such as an end, waits until `now_ms` is confirmed."""
        self._store = store
        self._leases = leases
        self._board = board
        self._keeper = keeper
        self._now_ms = now_ms
        self._is_confirmed = is_confirmed
        self._bus = bus
        self._outage_log = OutageLog("campaigns_wait")
        self.returned_fen = 0

    async def run(self) -> None:
        """Never ends; to be supervised."""
        rounds = 0
        while True:
            self._keeper.wake.clear()
            try:
                await self.round(rounds)
                self._outage_log.is_over()
            except StoreUnavailable as error:
                self._outage_log.begins(error)
                await asyncio.sleep(ROUND_S)
            rounds += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(ROUND_S):
                    await self._keeper.wake.wait()

    async def round(self, number: int = 0) -> None:
        """One round. Raises StoreUnavailable."""
        steps = [self._keeper.take_ahead, self._keeper.tidy]
        if number % LOOK_EVERY == 0:
            steps += [self._board.look, self._keeper.reclaim, self.tell_wins]
        if self._is_confirmed():
            steps += [self.start, self.end]
        if number % COUNT_EVERY == 0:
            steps.append(self.count)
        failed: StoreUnavailable | None = None
        for step in steps:
            try:
                await step()
            except StoreBusy as error:
                failed = failed or error  # rows of one campaign are locked
            except StoreUnavailable as error:
                if self._store.tells_changes:
                    raise
                failed = failed or error  # one set of several is away: campaigns of others go on
        if failed is not None:
            raise failed

    async def start(self) -> None:
        """Webhooks tell once of each campaign that runs."""
        now_ms = self._now_ms()
        starting = [
            live for live in self._board.all() if not live.has_started and live.stage(now_ms) is Stage.RUNNING
        ]
        if starting:
            await self._store.start_due(now_ms)
        for live in starting:
            live.has_started = True

    async def tell_wins(self) -> None:
        """Webhooks tell of what was won, some wins at once. The rest is told when the books are closed."""
        if lives := self._board.all():
            await self._leases.tell_wins([live.campaign_id for live in lives], self._now_ms())

    async def end(self) -> None:
        """Campaigns whose time is over end; of those whose leases are all closed the rest goes back, once."""
        now_ms = self._now_ms()
        lives = self._board.all()
        if any(live.row.ends_at_ms <= now_ms and live.row.state != Wanted.ENDED for live in lives):
            await self._store.end_due(now_ms)
            await self._board.catch_up()
        await despite_locks(self._close, [live for live in self._board.all() if live.row.state == Wanted.ENDED])

    async def _close(self, live: LiveCampaign) -> None:
        closed = await self._store.close(live.campaign_id, self._now_ms(), TransferKind.CAMPAIGN_RETURNED)
        if closed is None:
            return
        await self.count()
        self.returned_fen += closed.returned_fen
        await self._board.follow(live.campaign_id, 0)
        if closed.balance is not None:
            balance = WalletBalance(*closed.balance)
            reason = TransferKind.CAMPAIGN_RETURNED.name.lower()
            event = BalanceChange(closed.sponsor_id, balance, closed.returned_fen, reason)
            self._bus.publish(event, (closed.sponsor_id,))

    async def leave(self) -> None:
        """At the end of this server: its leases go back, and its counts are written."""
        await self._keeper.return_all()
        await self.count()

    async def count(self) -> None:
        """Write the counts of this server. Those of the last seconds are lost if it is killed."""
        hour_ms = self._now_ms() // HOUR_MS * HOUR_MS
        counted = [(live.campaign_id, hour_ms, *live.take_counts()) for live in self._board.to_count()]
        if some := [one for one in counted if any(one[2:])]:
            await self._store.count(some)
