"""An event loop without sockets and without waiting: when nothing is ready, time jumps to the next timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Stuck(Exception):
    """Nothing is ready and no timer runs: every task would wait without end."""


class _Jump:
    """Replaces the selector of the loop: waiting moves the clock."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop

    def select(self, timeout_s: float | None) -> list[Any]:
        if timeout_s is None:
            raise Stuck
        self._loop.now_s += max(timeout_s, 0.0)
        return []


class SimLoop(asyncio.BaseEventLoop):
    """Callbacks run in the order in which they became due, so a run depends only on its seed."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._clock_resolution = 1e-9
        self._selector = _Jump(self)

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self.now_s

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, function: Callable[..., Any], *arguments: Any
    ) -> asyncio.Future[Any]:
        """At once: a thread would make a run depend on more than its seed."""
        done = self.create_future()
        done.set_result(function(*arguments))
        return done

    def _process_events(self, event_list: list[Any]) -> None:
        assert not event_list

    def _write_to_self(self) -> None:
        """No thread waits in a selector, so none must be woken."""
