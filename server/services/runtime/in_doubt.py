"""What is in doubt: a commit was asked for and not answered. What turns out to stand in the books is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from server.services.runtime.outage_log import Trouble
from storage.errors import StoreUnavailable

LOOK_S: Final = 0.5  # between two looks
LOOK_MAX: Final = 1_000  # looked for at once; the others have their turn at the next look
LATE_S: Final = 10.0  # so long after nobody waits for it any more may a commit still come
DOUBTS_MAX: Final = 10_000  # what comes on top in a long outage was hardly asked for: the store is known to be away
Asked = TypeVar("Asked")
Found = TypeVar("Found")


class Doubt(NamedTuple, Generic[Asked]):
    """What may have been recorded, and since when that is not known (the clock of the loop)."""

    asked: Asked
    since_s: float


class Doubts(Generic[Asked, Found]):
    """Looks for them until they are found or cannot come any more. Whether somebody tries again does not matter."""

    def __init__(
        self,
        recall: Callable[[Sequence[Asked]], Awaitable[Sequence[Found | None]]],
        tell: Callable[[Found], None],
    ) -> None:
        """`recall` reads what recording these told, None for what is not recorded. `tell` follows at once."""
        self._recall = recall
        self._tell = tell
        self._doubts: list[Doubt[Asked]] = []
        self._wake = asyncio.Event()
        self._trouble = Trouble("doubts_wait")

    def add(self, asked: Iterable[Asked]) -> None:
        """These were sent to the store, which did not say what became of them."""
        since_s = asyncio.get_running_loop().time()
        for one in asked:
            if len(self._doubts) < DOUBTS_MAX:
                self._doubts.append(Doubt(one, since_s))
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
        asked_s, doubts = asyncio.get_running_loop().time(), self._doubts[:LOOK_MAX]
        found = await self._recall([doubt.asked for doubt in doubts])
        del self._doubts[: len(doubts)]
        for doubt, fact in zip(doubts, found, strict=True):
            if fact is not None:
                self._tell(fact)
            elif asked_s - doubt.since_s <= LATE_S:
                self._doubts.append(doubt)
        if not self._doubts:
            self._wake.clear()
