"""The loop of the tests: what a test leaves open fails that test; a loop that is left clean serves the next one.

A loop that goes on keeps the sessions with PostgreSQL of kept_sessions.py: a new one costs more processor time than
most tests. Every other handle is looked for in the kernel's list of what the loop waits for. If there is one, or if
a test has changed the loop itself, the loop is closed, and the next test gets a new one.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from pathlib import Path
from typing import Any
from weakref import WeakSet

import aiohttp
import uvloop

THREADS_MOST = 8  # that work for a test beside its loop
TURNS_MOST = 4  # of the loop, until what was closed just now is closed


class StrictLoop(uvloop.Loop):
    """uvloop warns of each open socket and then closes it. A warning that is an error would leave it open instead,
    and then `close` would wait for its end for good; so the warnings are collected here and raised afterwards.

    A session of aiohttp warns when it is collected: in another test, which would fail in place of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sessions: WeakSet[aiohttp.ClientSession] = WeakSet()

    def close(self) -> None:
        """Close the loop. Raises ResourceWarning with what was left open."""
        open_sessions = [one for one in self.sessions if not one.closed]
        left = [repr(one) for one in open_sessions]
        for session in open_sessions:
            self.run_until_complete(session.close())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            super().close()
        left += [str(one.message) for one in caught if one.category is ResourceWarning]
        if left:
            raise ResourceWarning(f"left open at the end of the loop: {left}")


class KeptLoop(StrictLoop):
    """A loop for one test after another. `close` is the end of a test: it closes the loop only if it must."""

    def __init__(self) -> None:
        super().__init__()
        self.is_lent = True  # to a test, or closed for good
        self._is_changed = False
        self._timers: WeakSet[asyncio.TimerHandle] = WeakSet()
        self._threads = self._new_threads()
        self.keeps: set[int] = set()  # descriptors that may stay open from one test to the next
        self.end_kept: Callable[[], None] = lambda: None  # ends what stays open
        self.run_until_complete(asyncio.sleep(0))  # from now on it waits for its own descriptors
        self._own = self._waits_for()

    def _new_threads(self) -> ThreadPoolExecutor:
        threads = ThreadPoolExecutor(THREADS_MOST)
        self.set_default_executor(threads)
        return threads

    def _waits_for(self) -> set[int]:
        """The descriptors that the loop waits for, as the kernel lists them."""
        lines = Path(f"/proc/self/fdinfo/{self._get_backend_id()}").read_text().splitlines()  # type: ignore[attr-defined]
        return {int(line.split()[1]) for line in lines if line.startswith("tfd:")}

    async def shutdown_asyncgens(self) -> None:
        """The end of a test is not that of the loop."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """As above: the threads end with the test, and the next test may have others."""
        if self._threads._threads:
            self._threads.shutdown(wait=True)
            self._threads = self._new_threads()

    def add_signal_handler(self, *args: Any) -> None:  # type: ignore[override]
        """A test that changes the loop is its last one."""
        self._is_changed = True
        super().add_signal_handler(*args)

    def set_exception_handler(self, *args: Any) -> None:
        """As above."""
        self._is_changed = True
        super().set_exception_handler(*args)

    def set_task_factory(self, *args: Any) -> None:  # type: ignore[override]
        """As above."""
        self._is_changed = True
        super().set_task_factory(*args)

    def call_later(self, *args: Any, **options: Any) -> asyncio.TimerHandle:  # type: ignore[override]
        """A timer ends with its test."""
        timer = super().call_later(*args, **options)
        self._timers.add(timer)
        return timer

    def call_at(self, *args: Any, **options: Any) -> asyncio.TimerHandle:  # type: ignore[override]
        """As above."""
        timer = super().call_at(*args, **options)
        self._timers.add(timer)
        return timer

    def close(self) -> None:
        """The end of a test. Raises ResourceWarning with what it left open."""
        if self.is_closed():
            return
        for timer in list(self._timers):
            timer.cancel()
        self._timers.clear()
        if self._is_clean():
            self.is_lent = False
        else:
            self.close_for_good()

    def _is_clean(self) -> bool:
        if self._is_changed or not all(one.closed for one in self.sessions):
            return False
        for _ in range(TURNS_MOST):
            if self._waits_for() <= self._own | self.keeps:
                return True
            self.run_until_complete(asyncio.sleep(0))
        return False

    def close_for_good(self) -> None:
        """Close the loop. Raises ResourceWarning with what was left open."""
        self.is_lent = True
        self.end_kept()
        self.run_until_complete(asyncio.sleep(0))
        self._threads.shutdown(wait=True)
        super().close()


class Loops:
    """Gives each test of this process a loop."""

    def __init__(self) -> None:
        self._kept: KeptLoop | None = None

    def __call__(self) -> KeptLoop:
        """The loop that the last test left clean, or a new one."""
        if self._kept is None or self._kept.is_lent:
            self._kept = KeptLoop()
        self._kept.is_lent = True
        return self._kept

    def close(self) -> None:
        """Close the loop that no test has."""
        if self._kept is not None and not self._kept.is_lent:
            self._kept.close_for_good()
        self._kept = None


def remember_sessions() -> None:
    """From now on a StrictLoop knows the sessions of aiohttp that are made in it."""
    begin = aiohttp.ClientSession.__init__

    @wraps(begin)
    def remembered(session: aiohttp.ClientSession, *args: Any, **options: Any) -> None:
        begin(session, *args, **options)
        if isinstance(loop := asyncio.get_running_loop(), StrictLoop):
            loop.sessions.add(session)

    aiohttp.ClientSession.__init__ = remembered  # type: ignore[method-assign]
