"""Commits with unknown outcome: sent to PostgreSQL and not answered. Those found recorded are published."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from server.services.runtime.outage_log import OutageLog
from storage.errors import StoreUnavailable

LOOK_S: Final = 0.5  # between two look-ups
LOOK_MAX: Final = 1_000  # looked up at once; the others follow at the next look-up
LATE_S: Final = 10.0  # a commit may still arrive so long after its request has failed
# More are not kept: once the server knows that the store is away, it sends few commits.
IN_DOUBT_MAX: Final = 10_000
Asked = TypeVar("Asked")
Found = TypeVar("Found")


class UnknownOutcome(NamedTuple, Generic[Asked]):
    """A change that may have been recorded, and since when its outcome is unknown (the clock of the loop)."""

    asked: Asked
    since_s: float


class InDoubt(Generic[Asked, Found]):
    """Looks each commit up until it is found or can no longer arrive. A repeated request does no harm."""

    def __init__(
        self,
        find_outcome: Callable[[Sequence[Asked]], Awaitable[Sequence[Found | None]]],
        publish: Callable[[Found], None],
    ) -> None:
        """`find_outcome` reads what each recording returned, None: not recorded. `publish` gets the others."""
        self._find_outcome = find_outcome
        self._publish = publish
        self._in_doubt: list[UnknownOutcome[Asked]] = []
        self._wake = asyncio.Event()
        self._outage_log = OutageLog("in_doubt_waits")
        self.commits_wait: Callable[[], bool] = lambda: False  # for a standby: as long a commit may still arrive

    def add(self, asked: Iterable[Asked]) -> None:
        """Changes that were sent to the store, which did not answer."""
        since_s = asyncio.get_running_loop().time()
        for one in asked:
            if len(self._in_doubt) < IN_DOUBT_MAX:
                self._in_doubt.append(UnknownOutcome(one, since_s))
        self._wake.set()

    async def run(self) -> None:
        """Look up while an outcome is unknown. Never ends; to be supervised."""
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
        do_wait = self.commits_wait()  # before they are read: what arrives right after is found by the next look
        found = await self._find_outcome([doubt.asked for doubt in in_doubt])
        for doubt, fact in zip(in_doubt, found, strict=True):
            self._in_doubt.pop(0)  # one by one: what follows a failure is looked up again
            if fact is not None:
                self._publish(fact)
            elif do_wait or asked_s - doubt.since_s <= LATE_S:
                self._in_doubt.append(doubt._replace(since_s=asked_s) if do_wait else doubt)
        if not self._in_doubt:
            self._wake.clear()
