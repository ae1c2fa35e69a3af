"""A lane for reads of PostgreSQL: part of the pool, with a queue that is bounded in time.

Reads that any user may ask for as often as they like use the lane. The rest of the pool is free for logins and for
what opens need, however many reads wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from server.core.limits import Limits
from server.core.refusals import Reason, RequestRefused
from server.services.runtime.load_shedding import FEW, NEW_WORK

WAITING_MAX: Final = 20_000
_WEIGHT: Final = 0.1  # of the newest read in the average
_RETRY_MS: Final = (100, 5_000)


class ReadLane:
    """At most `width` reads at a time. What would wait, or has waited, longer than half of `limits.wait_ms_max` is
    refused: OVERLOADED, with the time when there may be room.
    """

    def __init__(self, width: int, limits: Limits) -> None:
        self._width = width
        self._limits = limits
        self._free = asyncio.Semaphore(width)
        self._ahead = 0  # reads that wait or are under way
        self._took_s = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Inside is one read. Raises RequestRefused."""
        self.check()
        self._ahead += 1
        try:
            await self._wait()
            began_s = asyncio.get_running_loop().time()
            try:
                yield
            finally:
                self._took_s += (asyncio.get_running_loop().time() - began_s - self._took_s) * _WEIGHT
                self._free.release()
        finally:
            self._ahead -= 1

    def check(self) -> None:
        """Raises RequestRefused if a read that came now would wait too long."""
        if self._ahead >= FEW and (self._wait_s > self._wait_s_max or self._ahead >= WAITING_MAX):
            raise self._overloaded()

    @property
    def _wait_s(self) -> float:
        return self._ahead // self._width * self._took_s

    @property
    def _wait_s_max(self) -> float:
        return self._limits.wait_ms_max * NEW_WORK / 1000

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._wait_s_max):
                await self._free.acquire()
        except TimeoutError:
            raise self._overloaded() from None

    def _overloaded(self) -> RequestRefused:
        least, most = _RETRY_MS
        wait_ms = min(max(round(self._wait_s * 1000), least), most)
        return RequestRefused(Reason.OVERLOADED, retry_after_ms=wait_ms)
