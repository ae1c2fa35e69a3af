"""Is the database there? Asked on a connection of its own as soon as anything else fails or takes long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from storage.errors import StoreUnavailable

SLOW_S: Final = 0.5  # a statement that takes longer raises suspicion
PROBE_S: Final = 1.5  # within this a database that is there answers
AGAIN_S: Final = 0.2  # between two probes while it is away


class Watch:
    """While the store is known to be away, `asking` says so at once; nobody waits for a timeout each.

    A failure alone proves nothing (a lock, a connection that broke): only a probe that fails does, and only one
    that succeeds ends it. `probe` raises StoreUnavailable.
    """

    def __init__(self, probe: Callable[[], Awaitable[None]]) -> None:
        self._probe = probe
        self._task: asyncio.Task[None] | None = None
        self._away = ""

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around whatever is asked of the store. Raises StoreUnavailable."""
        if self._away:
            raise StoreUnavailable(self._away)
        slow = asyncio.get_running_loop().call_later(SLOW_S, self._suspect)
        try:
            yield
        except StoreUnavailable:
            self._suspect()
            raise
        finally:
            slow.cancel()

    def close(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()

    def _suspect(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(PROBE_S):
                    await self._probe()
            except (StoreUnavailable, TimeoutError) as error:
                self._away = str(error) or "PostgreSQL: no answer"
            else:
                self._away = ""
                return
            await asyncio.sleep(AGAIN_S)
