"""The sampler takes one sample a second, keeps one minute of samples, and measures the event loop's lag."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from server.ops.samples.sample import Sample

SAMPLES_KEPT: Final = 61  # one minute lies between the oldest and the newest
TICK_S: Final = 0.1
TICKS: Final = 10  # per sample


class SampleSource(Protocol):
    """Makes samples."""

    def tick(self) -> None:
        """Called once a second."""

    def sample(self, lag_ms: float, /) -> Sample:
        """A sample of this moment; `lag_ms`: the maximum lag of the event loop in the last second."""

    def refresh(self, sample: Sample, /) -> Sample:
        """The sample with the health of this moment."""


class Sampler:
    """Takes samples and keeps the last minute."""

    def __init__(
        self,
        source: SampleSource,
        now_s: Callable[[], float],
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`now_s` is a monotonic clock. `before`: awaited before each sample, by a source that asks others."""
        self._source = source
        self._before = before
        self._now_s = now_s
        self._samples: deque[Sample] = deque(maxlen=SAMPLES_KEPT)
        self._lag_ms = 0.0

    @property
    def newest(self) -> Sample:
        """The last sample, at most one second old; the first one is taken here."""
        if not self._samples:
            self._samples.append(self.now())
        return self._samples[-1]

    @property
    def fresh(self) -> Sample:
        """The last sample with the health of this moment, without the cost of a whole sample."""
        return self._source.refresh(self.newest)

    def last(self, seconds: int) -> list[Sample]:
        """The samples of the last seconds, oldest first: one more than `seconds`, or all that are kept."""
        newest = self.newest
        return [*[*self._samples][-seconds - 1 : -1], newest]

    def now(self) -> Sample:
        """A sample of this moment; it is not kept."""
        return self._source.sample(self._lag_ms)

    async def run(self) -> None:
        """Take samples; never returns, to be supervised."""
        while True:
            lag_ms = 0.0
            for _ in range(TICKS):
                due_s = self._now_s() + TICK_S
                await asyncio.sleep(TICK_S)
                lag_ms = max(lag_ms, (self._now_s() - due_s) * 1000)
            self._lag_ms = round(lag_ms, 1)
            self._source.tick()
            if self._before is not None:
                await self._before()
            self._samples.append(self.now())
