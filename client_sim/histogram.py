"""Latencies in a fixed number of buckets, so that a run of any length takes the same memory."""

from __future__ import annotations

import math

LEAST_MS = 0.01
GROWTH = 1.05  # each bucket reaches 5 % further than the one before: that is the precision
BUCKETS = 380  # enough for more than 1,000 seconds
_LOG_GROWTH = math.log(GROWTH)


class Histogram:
    """Counts values in milliseconds, in buckets whose bounds grow by 5 %."""

    __slots__ = ("_counts", "count", "most_ms")

    def __init__(self) -> None:
        self._counts = [0] * BUCKETS
        self.count = 0
        self.most_ms = 0.0

    def record(self, value_ms: float) -> None:
        """Count one value; what is outside the range falls into the first or the last bucket."""
        bucket = math.ceil(math.log(max(value_ms, LEAST_MS) / LEAST_MS) / _LOG_GROWTH)
        self._counts[min(bucket, BUCKETS - 1)] += 1
        self.count += 1
        self.most_ms = max(self.most_ms, value_ms)

    def percentile(self, percent: float) -> float:
        """A value in ms that `percent` of all values do not exceed, at most 5 % too high; 0 if there are none."""
        wanted = math.ceil(self.count * percent / 100)
        reached = 0
        for bucket, count in enumerate(self._counts):
            reached += count
            if count and reached >= wanted:
                return min(LEAST_MS * GROWTH**bucket, self.most_ms)
        return 0.0
