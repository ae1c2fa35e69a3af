"""The sampler: one sample a second, the last minute of them kept, and the loop's lag measured in between."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from server.ops.samples.sample import Sample

KEPT: Final = 61  # so that a minute lies between the oldest and the newest
TICK_S: Final = 0.1
TICKS: Final = 10  # a sample


class Observed(Protocol):
    """What samples are taken of."""

    def turn(self) -> None:
        """A second has passed."""

    def sample(self, lag_ms: float, /) -> Sample:
        """As it is now; the loop's worst lag of the last second was so long."""


class Sampler:
    """Takes samples and keeps those of the last minute."""

    def __init__(self, observed: Observed, now_s: Callable[[], float]) -> None:
        """`now_s` is a clock that never jumps."""
        self._observed = observed
        self._now_s = now_s
        self._samples: deque[Sample] = deque(maxlen=KEPT)
        self._lag_ms = 0.0

    @property
    def newest(self) -> Sample:
        """The last sample, at most a second old; the first one is taken when it is asked for."""
        if not self._samples:
            self._samples.append(self.now())
        return self._samples[-1]

    def last(self, seconds: int) -> list[Sample]:
        """The samples of the last so many seconds, oldest first: one more than seconds, or all there are."""
        newest = self.newest
        return [*[*self._samples][-seconds - 1 : -1], newest]

    def now(self) -> Sample:
        """A sample of this moment, which is not kept."""
        return self._observed.sample(self._lag_ms)

    async def run(self) -> None:
        """Sample for ever; to be supervised."""
        while True:
            lag_ms = 0.0
            for _ in range(TICKS):
                due_s = self._now_s() + TICK_S
                await asyncio.sleep(TICK_S)
                lag_ms = max(lag_ms, (self._now_s() - due_s) * 1000)
            self._lag_ms = round(lag_ms, 1)
            self._observed.turn()
            self._samples.append(self.now())
