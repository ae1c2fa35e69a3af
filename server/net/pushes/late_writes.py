"""Writes that can wait: pushes about money that has moved, to many connections at once."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Iterator
from typing import Final, Protocol

LATE_S: Final = 0.05  # so long a push waits for a message to leave with: a write costs more than a message
SLICE: Final = 32  # writes in one turn of the loop, 0.2 ms: a thousand at once are 7 ms, for which opens would wait


class Flushable(Protocol):
    """A connection with something queued."""

    def flush(self) -> None:
        """Write all that is queued, if any is left."""


class LateWrites:
    """Flushes what was added, LATE_S after the first of it and in slices; requests are read between two slices."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[Flushable] = []

    def add(self, session: Flushable) -> None:
        """Flush it in a while, if nothing does so before."""
        if not self._waiting:
            self._loop.call_later(LATE_S, self._begin)
        self._waiting.append(session)

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._flush_slice(iter(waiting))

    def _flush_slice(self, waiting: Iterator[Flushable]) -> None:
        for number, session in enumerate(waiting, 1):
            session.flush()
            if number == SLICE:
                self._loop.call_soon(self._flush_slice, waiting)
                return
