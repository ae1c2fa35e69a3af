"""What is in doubt: a commit was asked for and not answered. What turns out to stand in the books is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from server.services.runtime.outage_log import OutageLog
from storage.errors import StoreUnavailable

LOOK_S: Final = 0.5  # between two looks
LOOK_MAX: Final = 1_000  # looked for at once; the others follow at the next look
LATE_S: Final = 10.0  # so long after its request has failed may a commit still come
DOUBTS_MAX: Final = 10_000  # what comes on top in a long outage was hardly asked for: the store is known to be away
Asked = TypeVar("Asked")
Found = TypeVar("Found")


class UnknownOutcome(NamedTuple, Generic[Asked]):
    """What may have been recorded, and since when that is not known (the clock of the loop)."""

    asked: Asked
    since_s: float


class InDoubt(Generic[Asked, Found]):
    """Looks for them until they are found or cannot come any more. A repeated request does not matter."""

    def __init__(
        self,
        find_outcome: Callable[[Sequence[Asked]], Awaitable[Sequence[Found | None]]],
        tell: Callable[[Found], None],
    ) -> None:
        """`find_outcome` reads what recording these told, None for what is not recorded. `tell` follows at once."""
        self._find_outcome = find_outcome
        self._tell = tell
        self._in_doubt: list[UnknownOutcome[Asked]] = []
        self._wake = asyncio.Event()
        self._outage_log = OutageLog("doubts_wait")

    def add(self, asked: Iterable[Asked]) -> None:
        """These were sent to the store, which did not say what became of them."""
        since_s = asyncio.get_running_loop().time()
        for one in asked:
            if len(self._in_doubt) < DOUBTS_MAX:
                self._in_doubt.append(UnknownOutcome(one, since_s))
        self._wake.set()

    async def run(self) -> None:
        """Look while an outcome is unknown. Never ends; to be supervised."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(LOOK_S)
            try:
                await self._look()
                self._outage_log.is_over()
            except StoreUnavailable as error:
                self._outage_log.begins(error)

    async def _look(self) -> None:
        asked_s, in_doubt = asyncio.get_running_loop().time(), self._in_doubt[:LOOK_MAX]
        found = await self._find_outcome([doubt.asked for doubt in in_doubt])
        del self._in_doubt[: len(in_doubt)]
        for doubt, fact in zip(in_doubt, found, strict=True):
            if fact is not None:
                self._tell(fact)
            elif asked_s - doubt.since_s <= LATE_S:
                self._in_doubt.append(doubt)
        if not self._in_doubt:
            self._wake.clear()
