"""Latencies as an HDR histogram: three digits of precision from 1 µs to 10 minutes, in constant memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

from hdrh.histogram import HdrHistogram

MOST_US = 600_000_000
DIGITS = 3


class Histogram:
    """Counts values in milliseconds; a value outside the range counts at its nearest end."""

    __slots__ = ("_hdr",)

    def __init__(self) -> None:
        self._hdr = HdrHistogram(1, MOST_US, DIGITS)

    @classmethod
    def of(cls, values_ms: Iterable[float]) -> Self:
        """A histogram of these values."""
        histogram = cls()
        for value_us, times in Counter(round(value_ms * 1000) for value_ms in values_ms).items():
            histogram._record_us(value_us, times)
        return histogram

    @classmethod
    def decoded(cls, text: str) -> Self:
        """The histogram that `encoded` wrote."""
        histogram = cls()
        histogram._hdr.decode_and_add(text.encode())
        return histogram

    def encoded(self) -> str:
        """The histogram as text, for another process."""
        return str(self._hdr.encode().decode())

    def record(self, value_ms: float) -> None:
        """Count one value."""
        self._record_us(round(value_ms * 1000), 1)

    def _record_us(self, value_us: int, times: int) -> None:
        self._hdr.record_value(min(max(value_us, 1), MOST_US), times)

    def add(self, other: Histogram) -> None:
        """Add the counts of another histogram."""
        self._hdr.add(other._hdr)

    @property
    def count(self) -> int:
        """How many values were counted."""
        return int(self._hdr.get_total_count())

    @property
    def most_ms(self) -> float:
        """The highest value; 0 without values."""
        return float(self._hdr.get_max_value()) / 1000

    def percentile(self, percent: float) -> float:
        """The value in ms that `percent` of all values do not exceed, at most 0.1 % too high; 0 without values."""
        return self.percentiles([percent])[percent]

    def percentiles(self, percents: Sequence[float]) -> Mapping[float, float]:
        """Several percentiles, in one pass."""
        found = self._hdr.get_percentile_to_value_dict(percents) if self.count else {}
        return {percent: found.get(percent, 0) / 1000 for percent in percents}
