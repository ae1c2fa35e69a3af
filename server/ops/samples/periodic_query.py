"""Figures that only PostgreSQL knows, asked for in the background, so that a sample never waits for a store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from server.ops.samples.sample import Figures
from storage.errors import StoreUnavailable

EVERY_S: Final = 5.0
REST: Final = 20  # times as long as the answer took: a question that costs much is asked less often


class PeriodicQuery:
    """Keeps the last answer; while the store is away, the one before."""

    def __init__(self, ask: Callable[[], Awaitable[Figures]], now_s: Callable[[], float]) -> None:
        """`ask` raises StoreUnavailable; it bounds its own time."""
        self._ask = ask
        self._now_s = now_s
        self.figures: Figures | None = None

    async def run(self) -> None:
        """Ask for ever; to be supervised."""
        while True:
            took_s = await self.ask_once()
            await asyncio.sleep(max(EVERY_S, REST * took_s))

    async def ask_once(self) -> float:
        """Ask now; how long it took, in seconds."""
        began_s = self._now_s()
        with suppress(StoreUnavailable):  # the sample tells by itself that the store is away
            self.figures = await self._ask()
        return self._now_s() - began_s
