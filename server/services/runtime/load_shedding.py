"""How long what waits for a store will take: the measure by which new work is refused early and cheaply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from server.core.limits import Limits

FEW: Final = 16  # that wait are no queue: a refused request would come back later than it would have been served
NEW_WORK: Final = 0.5  # of the bound: what begins something is refused before what ends it (grab before open)
_WEIGHT: Final = 0.3  # of the newest batch in the average
_RETRY_MS: Final = (100, 5_000)


class LoadShedding:
    """One queue before a store. Nothing is refused while few wait; a batch that stalls counts meanwhile."""

    def __init__(
        self, batch_max: int, limits: Limits, count_max: int, now_s: Callable[[], float] | None = None
    ) -> None:
        """`now_s`: a clock that never jumps; None: that of the loop in which it is first asked."""
        self._batch_max = batch_max
        self._limits = limits
        self._count_max = count_max
        self._clock = now_s
        self._batch_s = 0.0
        self._began_s: float | None = None
        self._ended_s: float | None = None  # the batch before, if something has waited ever since

    def begin(self) -> None:
        """A batch goes to the store."""
        self._began_s = self._now_s()

    def end(self) -> None:
        """It is back, with whatever result. What lies between it and the next one counts, too, until `rest`."""
        if self._began_s is not None:
            now_s = self._now_s()
            took_s = now_s - (self._ended_s or self._began_s)
            self._batch_s += (took_s - self._batch_s) * _WEIGHT
            self._began_s, self._ended_s = None, now_s

    def rest(self) -> None:
        """Nothing waits for the store: the time until the next batch is no wait."""
        self._ended_s = None

    def wait_s(self, waiting: int) -> float:
        """How long so many items, of which some may be at the store already, will take."""
        if not waiting:
            return 0.0
        under_way_s = 0.0 if self._began_s is None else self._now_s() - self._began_s
        return (1 + waiting // self._batch_max) * max(self._batch_s, under_way_s)

    def is_too_high(self, waiting: int, part: float = 1.0) -> bool:
        """More waits than may, or longer than it may; `part` of both bounds."""
        if waiting < FEW:
            return False
        wait_s_max = self._limits.wait_ms_max / 1000
        return waiting >= self._count_max * part or self.wait_s(waiting) > wait_s_max * part

    def retry_after_ms(self, waiting: int) -> int:
        """When there may be room again: when what waits now will be done."""
        least, most = _RETRY_MS
        return min(max(round(self.wait_s(waiting) * 1000), least), most)

    def _now_s(self) -> float:
        if self._clock is None:
            self._clock = asyncio.get_running_loop().time  # kept: to find the running loop costs a system call
        return self._clock()
