"""Sends in doubt: their commit was asked for and not answered. One that turns out to stand in the books is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple

from server.services.trouble import Trouble
from storage.errors import StoreUnavailable
from storage.postgres.packets import PacketRow
from storage.postgres.sends import Sent

LOOK_S: Final = 0.5  # between two looks
LATE_S: Final = 10.0  # so long after nobody waits for it any more may a commit still come
DOUBTS_MAX: Final = 10_000  # what comes on top in a long outage was hardly asked for: the store is known to be away


class Doubt(NamedTuple):
    """A packet that may have been recorded, and since when that is not known (the clock of the loop)."""

    row: PacketRow
    since_s: float


class Doubts:
    """Looks for them until they are found or cannot come any more. Whether somebody tries again does not matter."""

    def __init__(
        self,
        recall: Callable[[Sequence[PacketRow]], Awaitable[Sequence[Sent | None]]],
        tell: Callable[[Sent], None],
    ) -> None:
        """`recall` reads what recording these packets told, None for those that are not recorded."""
        self._recall = recall
        self._tell = tell
        self._doubts: dict[int, Doubt] = {}
        self._wake = asyncio.Event()
        self._trouble = Trouble("doubts_wait")

    def add(self, rows: Iterable[PacketRow]) -> None:
        """These were sent to the store, which did not say what became of them."""
        since_s = asyncio.get_running_loop().time()
        for row in rows:
            if len(self._doubts) < DOUBTS_MAX:
                self._doubts[row.packet_id] = Doubt(row, since_s)
        self._wake.set()

    async def run(self) -> None:
        """Look while there is a doubt; for ever, to be supervised."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(LOOK_S)
            try:
                await self._look()
                self._trouble.is_over()
            except StoreUnavailable as error:
                self._trouble.begins(error)

    async def _look(self) -> None:
        asked_s, doubts = asyncio.get_running_loop().time(), list(self._doubts.values())
        found = await self._recall([doubt.row for doubt in doubts])
        for doubt, sent in zip(doubts, found, strict=True):
            if sent is not None:
                self._tell(sent)
            if sent is not None or asked_s - doubt.since_s > LATE_S:
                del self._doubts[doubt.row.packet_id]
        if not self._doubts:
            self._wake.clear()
