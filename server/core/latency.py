"""Latencies, counted in buckets: one addition each, and any two counts tell what lay between them."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Final

import msgspec

BOUNDS_MS: Final = (0.5, 1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1_000, 2_000, 3_000, 5_000, 10_000)


class Latencies(msgspec.Struct, frozen=True):
    """A count for each bound, of what took no longer, and one for all that took longer than the last."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS_MS) + 1)
    sum_ms: float = 0.0

    @property
    def number(self) -> int:
        """How many there were."""
        return sum(self.counts)

    def since(self, before: Latencies) -> Latencies:
        """What was added after `before`."""
        added = tuple(now - then for now, then in zip(self.counts, before.counts, strict=True))
        return Latencies(added, self.sum_ms - before.sum_ms)

    def within_ms(self, part: float) -> float | None:
        """This part of all (0…1) took no longer, as far as buckets can tell; None if there were none.

        Within a bucket they are taken to lie evenly. What took longer than the last bound counts as that.
        """
        wanted = math.ceil(self.number * part)
        if not wanted:
            return None
        lower_ms, seen = 0.0, 0
        for upper_ms, count in zip(BOUNDS_MS, self.counts, strict=False):
            if seen + count >= wanted:
                return lower_ms + (upper_ms - lower_ms) * (wanted - seen) / count
            lower_ms, seen = upper_ms, seen + count
        return float(BOUNDS_MS[-1])


class Histogram:
    """Where latencies are added up."""

    __slots__ = ("_counts", "_sum_ms")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_MS) + 1)
        self._sum_ms = 0.0

    def add(self, ms: float) -> None:
        """One more, which took so long."""
        self._counts[bisect_left(BOUNDS_MS, ms)] += 1
        self._sum_ms += ms

    def so_far(self) -> Latencies:
        """All that was added."""
        return Latencies(tuple(self._counts), self._sum_ms)
