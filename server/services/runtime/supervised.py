"""The supervisor of loops: a loop that fails is logged once, counted, started again after a pause, and goes on.

A loop handles the errors that it knows, above all StoreUnavailable. An error that it does not know reaches the
supervisor: a right that was revoked, a lock on a table, a defect. None of them ends the server, or another loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import structlog

LOG = structlog.get_logger()
PAUSE_S_MIN: Final = 0.1  # before a loop is started again; doubled at each further failure
PAUSE_S_MAX: Final = 2.0
OVER_S: Final = 5.0  # a loop that has run for so long since its last failure has recovered
Loop: TypeAlias = Callable[[], Awaitable[None]]


class Supervisor:
    """Runs loops that never end by themselves. `failures` counts per loop, `failing` tells why each fails now."""

    def __init__(self) -> None:
        self.failures: dict[str, int] = {}
        self._failing: dict[str, str] = {}

    @property
    def failing(self) -> Mapping[str, str]:
        """The loops that have failed and not recovered yet, each with its last error."""
        return self._failing

    async def run(self, name: str, loop: Loop) -> None:
        """Run a loop until this task is cancelled."""
        self.failures[name] = 0
        pause_s = PAUSE_S_MIN
        clock = asyncio.get_running_loop().time
        while True:
            began_s = clock()
            over = asyncio.get_running_loop().call_later(OVER_S, self._is_over, name)
            try:
                await loop()
                self._failed(name, RuntimeError("the loop ended"))
            except Exception as error:
                self._failed(name, error)
            except asyncio.CancelledError as error:
                if _is_being_cancelled():
                    raise
                self._failed(name, error)  # something that the loop awaited was cancelled
            finally:
                over.cancel()
            pause_s = PAUSE_S_MIN if clock() - began_s > OVER_S else min(2 * pause_s, PAUSE_S_MAX)
            await asyncio.sleep(pause_s)

    def _failed(self, name: str, error: BaseException) -> None:
        self.failures[name] += 1
        why = " ".join(f"{type(error).__name__}: {error}".split())
        if name not in self._failing:
            LOG.error("loop_failed", loop=name, why=why, exc_info=error)
        self._failing[name] = why

    def _is_over(self, name: str) -> None:
        if self._failing.pop(name, None) is not None:
            LOG.info("loop_failed_no_longer", loop=name, failures=self.failures[name])


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
