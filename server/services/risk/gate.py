"""The gate: what requests ask of risk control. It has verdicts in memory, in step with the record on all servers.

Opens never ask. A send asks for the verdict of its sender, and goes on if it cannot be read now; money that leaves
for outside waits then. It reads the verdict each time: what is in memory may be older than a hold.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from server.core.refusals import Reason, RequestRefused
from server.core.risk.actions import RiskVerdict
from server.services.runtime.batching import Batcher

if TYPE_CHECKING:
    from server.core.limits import Limits
    from server.services.runtime.change_feed import ChangeFeed
    from storage.postgres.risk.risk import RiskStore

BATCH_MAX: Final = 200  # users whose verdicts are read, or made, at once
KEPT_MAX: Final = 100_000  # users in memory; more are dropped, the longest unused first
DAY_MS: Final = 86_400_000
AWAY_RETRY_MS: Final = 5_000


def over_cap(cap_fen: int, sent_fen: int, smallest: str) -> RequestRefused:
    """A send that is more than a user may send in 24 hours. `sent_fen`: without it."""
    return RequestRefused(Reason.LIMIT, f"at most {cap_fen} {smallest} in 24 hours, {sent_fen} are sent")


class MoneyGate(Protocol):
    """What sends and withdrawals ask before they move money."""

    def passes_send(self, user_id: int) -> bool:
        """Whether any send of a user passes, as far as is known without reading; False: ask `check_send`."""
        ...

    async def check_send(self, user_id: int, amount_fen: int) -> None:
        """Raises RequestRefused: NOT_ALLOWED, LIMIT."""

    async def send_caps(self, user_ids: Collection[int]) -> dict[int, int]:
        """What each of these users may send in 24 hours, in fen; users without a limit are left out."""

    async def held_senders(self, user_ids: Collection[int]) -> set[int]:
        """Which of these users may send nothing now."""

    async def check_withdrawal(self, user_id: int) -> None:
        """Raises RequestRefused: NOT_ALLOWED, OVERLOADED."""


class OpenGate:
    """The gate of the modes off and shadow: everything passes, and nothing is read."""

    def passes_send(self, user_id: int) -> bool:
        """It does."""
        return True

    async def check_send(self, user_id: int, amount_fen: int) -> None:
        """Passes."""

    async def send_caps(self, user_ids: Collection[int]) -> dict[int, int]:
        """No user has a limit."""
        return {}

    async def held_senders(self, user_ids: Collection[int]) -> set[int]:
        """None of them is held."""
        return set()

    async def check_withdrawal(self, user_id: int) -> None:
        """Passes."""


class RiskGate:
    """The gate of the mode on."""

    def __init__(
        self,
        store: RiskStore,
        judge: Callable[[Sequence[int]], Awaitable[dict[int, RiskVerdict]]],
        is_alive: Callable[[], bool],
        changes: ChangeFeed,
        limits: Limits,
        now_ms: Callable[[], int],
        smallest: str,
    ) -> None:
        """`judge` finds or makes verdicts. `is_alive`: rounds are made. `smallest`: what an amount counts."""
        self._store, self._judge, self._is_alive = store, judge, is_alive
        self._now_ms, self._smallest = now_ms, smallest
        self._kept: OrderedDict[int, tuple[RiskVerdict, int]] = OrderedDict()  # with the time; unused longest first
        self._changed_meanwhile: set[int] = set()  # while a read is under way
        self._missed_changes = False
        self.batcher: Batcher[int, RiskVerdict] = Batcher(self._load, BATCH_MAX, limits)
        self.held = {"send": 0, "withdrawal": 0, "away": 0}
        changes.on_change("risk", self.follow)
        changes.on_gap(self.catch_up)

    def passes_send(self, user_id: int) -> bool:
        """Whether the verdict of a user is in memory and lets every send pass."""
        kept = self._kept.get(user_id)
        if kept is None or kept[1] < self._now_ms() - DAY_MS:
            return False
        self._kept.move_to_end(user_id)
        return not kept[0].holds_sends and kept[0].send_fen_a_day is None

    async def check_send(self, user_id: int, amount_fen: int) -> None:
        """Raises RequestRefused: NOT_ALLOWED, LIMIT."""
        verdict = await self._verdict_for_send(user_id)
        if verdict.holds_sends:
            self.held["send"] += 1
            raise RequestRefused(Reason.NOT_ALLOWED, verdict.says)
        cap_fen = verdict.send_fen_a_day
        if cap_fen is not None:
            sent_fen = await self._store.sent_since(user_id, self._now_ms() - DAY_MS)
            if sent_fen + amount_fen > cap_fen:
                self.held["send"] += 1
                raise over_cap(cap_fen, sent_fen, self._smallest)

    async def send_caps(self, user_ids: Collection[int]) -> dict[int, int]:
        """What each of these users may send in 24 hours, in fen; users without a limit are left out."""
        caps = {user_id: (await self._verdict_for_send(user_id)).send_fen_a_day for user_id in user_ids}
        return {user_id: cap for user_id, cap in caps.items() if cap is not None}

    async def held_senders(self, user_ids: Collection[int]) -> set[int]:
        """Which of these users may send nothing now."""
        return {user_id for user_id in user_ids if (await self._verdict_for_send(user_id)).holds_sends}

    async def check_withdrawal(self, user_id: int) -> None:
        """Raises RequestRefused: NOT_ALLOWED; OVERLOADED while no rounds are made, or there is no verdict."""
        try:
            verdict = await self.batcher.submit(user_id)
        except RequestRefused:
            raise self._away() from None
        if verdict.holds_withdrawals:
            self.held["withdrawal"] += 1
            raise RequestRefused(Reason.NOT_ALLOWED, verdict.says)
        if not self._is_alive():
            raise self._away()

    async def verdict(self, user_id: int) -> RiskVerdict:
        """What is in force for a user. Raises RequestRefused: it cannot be read now."""
        kept = self._kept.get(user_id)
        if kept is None or kept[1] < self._now_ms() - DAY_MS:
            return await self.batcher.submit(user_id)
        self._kept.move_to_end(user_id)
        return kept[0]

    async def follow(self, user_id: int, version: int) -> None:
        """A verdict has changed, on whichever server."""
        self._kept.pop(user_id, None)
        self._changed_meanwhile.add(user_id)

    async def catch_up(self) -> None:
        """Any verdict may have changed."""
        self._kept.clear()
        self._missed_changes = True

    def _away(self) -> RequestRefused:
        self.held["away"] += 1
        detail = "risk control gives no answer; withdrawals wait for it"
        return RequestRefused(Reason.OVERLOADED, detail, AWAY_RETRY_MS)

    async def _verdict_for_send(self, user_id: int) -> RiskVerdict:
        """As `verdict`. Without one the money stays in the system, so the send is not refused for it."""
        try:
            return await self.verdict(user_id)
        except RequestRefused:  # the store is away, or there is too much to do
            return RiskVerdict()

    async def _load(self, user_ids: list[int]) -> list[RiskVerdict]:
        self._changed_meanwhile.clear()  # batches are read one after the other
        self._missed_changes = False
        found = await self._judge(list(set(user_ids)))
        if not self._missed_changes:
            at_ms = self._now_ms()
            kept = {one: (found[one], at_ms) for one in found if one not in self._changed_meanwhile}
            self._kept.update(kept)
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        self._changed_meanwhile.clear()
        return [found[user_id] for user_id in user_ids]
