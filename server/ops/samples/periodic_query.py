"""What only PostgreSQL knows, queried in the background, so that no sample and no page waits for a store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Generic, TypeVar

from server.services.runtime.store_errors import StoreUnavailable

EVERY_S: Final = 5.0
PAUSE_FACTOR: Final = 20  # the pause is this many times the duration of the query: an expensive one runs less often


Result = TypeVar("Result")


class PeriodicQuery(Generic[Result]):
    """Keeps the last result, also while the store is away."""

    def __init__(
        self,
        query: Callable[[], Awaitable[Result]],
        now_s: Callable[[], float],
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """`query` has a timeout of its own; it raises StoreUnavailable. It is not asked while it is not wanted."""
        self._query = query
        self._now_s = now_s
        self._is_wanted = is_wanted
        self.figures: Result | None = None

    async def run(self) -> None:
        """Query periodically; never returns, to be supervised."""
        while True:
            took_s = await self.query_once() if self._is_wanted() else 0.0
            await asyncio.sleep(max(EVERY_S, PAUSE_FACTOR * took_s))

    async def query_once(self) -> float:
        """Query now; returns the duration in seconds."""
        began_s = self._now_s()
        with suppress(StoreUnavailable):  # a sample reports the outage by itself
            self.figures = await self._query()
        return self._now_s() - began_s
