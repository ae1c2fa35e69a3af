"""Settlement (入账): credit claims to wallets, largest first, from a queue that lives beside the claims."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final, Protocol

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
LEFT_LOOKS: Final = 5  # times as rarely a server looks whose claims another one settles


class OtherServers(Protocol):
    """The other servers that record claims: one of all settles a set of PostgreSQL, so its batches are large."""

    @property
    def settle(self) -> bool: ...  # another server settles, not this one
    def tell(self) -> None: ...  # it: claims were recorded here
    def unrecorded(self) -> int: ...  # claims in flight at the others


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
        self.others: OtherServers | None = None  # once there are peers

    def _on_recorded(self, event: ClaimsRecorded, audience: Collection[int]) -> None:
        """Claims were recorded: do not wait for the next look."""
        if self.is_left and self.others is not None:
            self.others.tell()
        else:
            self.look()

    @property
    def is_left(self) -> bool:
        """Another server settles these claims: a hint, what it leaves is settled here some seconds later."""
        return self.others is not None and self.others.settle

    def look(self) -> None:
        """There is something to settle, or this server settles from now on."""
        self._wake.set()

    async def run(self) -> None:
        """Settle. Never ends; to be supervised. Looks by itself every `idle_s`, for claims of other servers."""
        while True:
            self._wake.clear()
            try:
                while self._goes_on(taken := await self.settle_once()):
                    if pause_s := self.pause_s(taken):
                        await asyncio.sleep(pause_s)
            except StoreUnavailable as error:
                self._outage_log.begins(error)
                await asyncio.sleep(self._idle_s)
                continue
            with suppress(TimeoutError):
                idle_s = self._idle_s * (LEFT_LOOKS if self.is_left else 1)
                async with asyncio.timeout(idle_s):  # wait_for of Python 3.11 may swallow a cancellation
                    await self._wake.wait()

    def _goes_on(self, taken: int) -> bool:
        """More may be left. Of what another server settles some, if it is more than a batch: that one is slow."""
        return taken >= self._batch_max if self.is_left else taken > 0

    def pause_s(self, taken: int) -> float:
        """Until the next batch; 0.0 when no claim waits to be recorded and more than a batch is left."""
        unrecorded = self._commit.unrecorded + (0 if self.others is None else self.others.unrecorded())
        if unrecorded or taken < self._batch_max:
            return min(PACE_S + unrecorded * YIELD_S_PER_CLAIM, YIELD_S_MAX)
        return 0.0

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
