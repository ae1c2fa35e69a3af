"""The histogram: percentiles within its 5 %, whatever the range, in constant memory."""

from __future__ import annotations

import random

import pytest

from client_sim.histogram import BUCKETS, GROWTH, LEAST_MS, Histogram


def histogram_of(*values_ms: float) -> Histogram:
    histogram = Histogram()
    for value_ms in values_ms:
        histogram.record(value_ms)
    return histogram


def test_nothing_counted_is_zero() -> None:
    assert Histogram().percentile(50) == 0.0


@pytest.mark.parametrize("percent", [0, 1, 50, 99, 100])
def test_one_value_is_every_percentile(percent: float) -> None:
    assert histogram_of(3.7).percentile(percent) == pytest.approx(3.7, rel=0.05)


@pytest.mark.parametrize("percent", [1, 25, 50, 90, 99, 99.9, 100])
def test_a_percentile_is_never_too_low_and_at_most_5_percent_too_high(percent: float) -> None:
    rng = random.Random(1)
    values_ms = [rng.lognormvariate(1, 2) for _ in range(10_000)]
    exact_ms = sorted(values_ms)[max(0, -(-len(values_ms) * percent // 100).__trunc__() - 1)]
    told_ms = histogram_of(*values_ms).percentile(percent)
    assert exact_ms * 0.999 <= told_ms <= exact_ms * GROWTH * 1.001


def test_the_highest_is_exact() -> None:
    assert histogram_of(1.0, 2.0, 1234.5).percentile(100) == 1234.5


def test_values_outside_the_range_are_counted_at_its_ends() -> None:
    histogram = histogram_of(0.0, 1e9)
    assert histogram.count == 2
    assert histogram.percentile(50) == LEAST_MS
    assert histogram.percentile(100) <= LEAST_MS * GROWTH**BUCKETS
