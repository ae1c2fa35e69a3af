"""Settlement (入账): credit claims to wallets, largest first, from a queue that lives beside the claims."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress

from server.core.ledger import WalletBalance
from server.services.packets.batch import ClaimsRecorded
from server.services.packets.commit.path import CommitPath
from server.services.runtime.bus import Bus
from server.services.runtime.events import BalanceChange
from server.services.runtime.in_doubt import InDoubt
from server.services.runtime.outage_log import OutageLog
from storage.errors import StoreUnavailable, Unanswered
from storage.postgres.money.settlement import Credit, SettlementQueue

PACE_S = 0.1  # between two batches, so that each is worth its commit
# Longer for each claim that is not recorded yet: opens that wait for `won` have priority. At most two seconds.
YIELD_S_PER_CLAIM = 0.002
YIELD_S_MAX = 2.0


class SettlementService:
    """Empties the queue in batches; the queue itself survives whatever happens to us."""

    def __init__(
        self,
        queue: SettlementQueue,
        batch_max: int,
        idle_s: float,
        now_ms: Callable[[], int],
        bus: Bus,
        commit: CommitPath,
    ) -> None:
        self._queue = queue
        self._batch_max = batch_max
        self._idle_s = idle_s
        self._now_ms = now_ms
        self._bus = bus
        self._commit = commit
        bus.subscribe(self._on_recorded, ClaimsRecorded)
        self._wake = asyncio.Event()
        self._outage_log = OutageLog("settlement_waits")
        self.in_doubt: InDoubt[Credit, Credit] = InDoubt(queue.find_outcome, self._publish)
        self.settled_claims = 0

    def _on_recorded(self, event: ClaimsRecorded, audience: Collection[int]) -> None:
        """Claims were recorded: do not wait for the next look."""
        self._wake.set()

    async def run(self) -> None:
        """Settle. Never ends; to be supervised. Looks by itself every `idle_s`, for claims of other servers."""
        while True:
            self._wake.clear()
            try:
                while taken := await self.settle_once():
                    await self._pause(taken)
            except StoreUnavailable as error:
                self._outage_log.begins(error)
                await asyncio.sleep(self._idle_s)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._idle_s):  # wait_for of Python 3.11 may swallow a cancellation
                    await self._wake.wait()

    async def _pause(self, taken: int) -> None:
        """No pause when no claim waits to be recorded and more than a batch is left."""
        unrecorded = self._commit.unrecorded
        if unrecorded or taken < self._batch_max:
            await asyncio.sleep(min(PACE_S + unrecorded * YIELD_S_PER_CLAIM, YIELD_S_MAX))

    async def settle_once(self) -> int:
        """Settle one batch; how many claims it took. Raises StoreUnavailable."""
        try:
            taken, credits = await self._queue.settle(self._batch_max, self._now_ms())
        except Unanswered as unanswered:
            self.in_doubt.add(unanswered.asked)
            raise
        self._outage_log.is_over()
        for credit in credits:
            self._publish(credit)
        return taken

    def _publish(self, credit: Credit) -> None:
        self.settled_claims += credit.claims
        event = BalanceChange(credit.user_id, WalletBalance(*credit.balance), credit.change_fen, "claim")
        self._bus.publish(event, (credit.user_id,))
