"""Is the database there? Asked on a connection of its own as soon as anything else fails or takes long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from storage.errors import StoreUnavailable

# Together less than a second: no statement waits longer for a database that has gone away under it.
SLOW_S: Final = 0.2  # a statement that takes longer raises suspicion
PROBE_S: Final = 0.5  # within this a database that is there answers
QUIET_S: Final = 0.3  # an answer to any statement within this proves more than a probe that fails
AGAIN_S: Final = 0.1  # between two probes
LATE_S: Final = 0.1  # a probe whose result comes so much too late failed because of a busy loop here
REFUSALS: Final = ("25006", "53100")  # a session that is read only, a full disk: only a real write meets them
REFUSED_S: Final = 10.0  # so long after the last of them the store counts as one that refuses writes
Asked = TypeVar("Asked")


class HealthProbe:
    """Whether the store is known to be away: then `asking` says so at once, and what is being asked is broken off.

    A failure alone proves nothing (a lock, a broken connection): only a probe that fails while no statement gets an
    answer does, and only one that succeeds ends it. `probe` raises StoreUnavailable.
    """

    def __init__(self, probe: Callable[[], Awaitable[None]]) -> None:
        self._probe = probe
        self._task: asyncio.Task[None] | None = None
        self._suspected = False
        self._answered_s = float("-inf")
        self._break_offs: dict[object, Callable[[], None]] = {}
        self._away = self._held = ""
        self._refused, self._refused_s = "", float("-inf")
        self._loop: asyncio.AbstractEventLoop | None = None

    def asking(self) -> Asking:
        """Around whatever is asked of the store. Raises StoreUnavailable."""
        return Asking(self)

    def breaking_off(self, by: Callable[[], None]) -> BreakingOff:
        """What is asked in here ends by a call of `by`, which raises nothing, if the store turns out to be away."""
        return BreakingOff(self._break_offs, by)

    def begin(self) -> asyncio.TimerHandle:
        """Something is about to be asked: what ends the suspicion that is raised if it takes long.

        Raises StoreUnavailable.
        """
        if self._held or self._away:
            raise StoreUnavailable(self._held or self._away)
        if self._loop is None:  # kept, because asking for it costs a system call
            self._loop = asyncio.get_running_loop()
        return self._loop.call_later(SLOW_S, self._suspect)

    def answered(self) -> None:
        """An answer came to what has begun."""
        assert self._loop is not None
        self._answered_s = self._loop.time()

    def failed(self, error: StoreUnavailable) -> None:
        """No answer came, or one that tells of a store that is not well."""
        if getattr(error.__cause__, "sqlstate", None) in REFUSALS:
            self._refused, self._refused_s = str(error), asyncio.get_running_loop().time()
        self._suspect()

    async def unless_away(self, asked: Awaitable[Asked]) -> Asked:
        """What is awaited, be it a connection. Raises TimeoutError if the store turns out to be away meanwhile."""
        async with asyncio.timeout(None) as patience:
            with self.breaking_off(lambda: patience.reschedule(0.0)):
                return await asked

    @property
    def away(self) -> str:
        """Why the store is known to be away; empty: it is not."""
        return self._held or self._away

    def hold(self, why: str) -> None:
        """Ask nothing of the store, as if it were away, until this is called with an empty reason."""
        self._held = why

    @property
    def refused(self) -> str:
        """Why the store has refused a write in the last seconds; empty: it has not."""
        return self._refused if asyncio.get_running_loop().time() - self._refused_s < REFUSED_S else ""

    def close(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()

    def _suspect(self) -> None:
        self._suspected = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while self._suspected or self._away:
            self._suspected = False
            due_s = loop.time() + PROBE_S
            try:
                async with asyncio.timeout(PROBE_S):
                    await self._probe()
            except Exception as error:  # also a right to connect that was revoked
                if loop.time() > due_s + LATE_S:
                    self._suspected = True  # we stood still ourselves: that proves nothing, ask again
                elif loop.time() - self._answered_s > QUIET_S:
                    self._is_away(_why(error))
            else:
                self._away = ""
            await asyncio.sleep(AGAIN_S)

    def _is_away(self, why: str) -> None:
        self._away = why
        break_offs, self._break_offs = self._break_offs, {}
        for break_off in break_offs.values():
            break_off()


# The next two are entered for every statement, so they are classes: a generator would cost five times as much.


class Asking:
    """Around whatever is asked of the store (see HealthProbe.asking)."""

    __slots__ = ("_health", "_slow")

    def __init__(self, health: HealthProbe) -> None:
        self._health = health

    def __enter__(self) -> None:
        self._slow = self._health.begin()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._slow.cancel()
        if error is None:
            self._health.answered()
        elif isinstance(error, StoreUnavailable):
            self._health.failed(error)


class BreakingOff:
    """Around what is to end by a call when the store turns out to be away (see HealthProbe.breaking_off)."""

    __slots__ = ("_break_offs", "_by")

    def __init__(self, break_offs: dict[object, Callable[[], None]], by: Callable[[], None]) -> None:
        self._break_offs = break_offs
        self._by = by

    def __enter__(self) -> None:
        self._break_offs[self] = self._by

    def __exit__(self, *_: object) -> None:
        self._break_offs.pop(self, None)


def _why(error: Exception) -> str:
    if isinstance(error, StoreUnavailable):
        return str(error)
    return f"PostgreSQL: {str(error) or 'no answer'}"
