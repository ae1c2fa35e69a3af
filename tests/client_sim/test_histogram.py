"""The histogram: percentiles are exact to 0.1 %, also after encoding and adding."""

from __future__ import annotations

import random

import pytest

from client_sim.sim.histogram import Histogram


def histogram_of(*values_ms: float) -> Histogram:
    histogram = Histogram()
    for value_ms in values_ms:
        histogram.record(value_ms)
    return histogram


def test_histogram_without_values_is_zero() -> None:
    assert Histogram().percentile(50) == 0.0
    assert (Histogram().most_ms, Histogram().count) == (0.0, 0)


@pytest.mark.parametrize("percent", [0, 1, 50, 99, 100])
def test_percentile_of_one_value_is_that_value(percent: float) -> None:
    assert histogram_of(3.7).percentile(percent) == pytest.approx(3.7, rel=0.001)


@pytest.mark.parametrize("percent", [1, 25, 50, 90, 99, 99.9, 100])
def test_percentile_of_many_values_is_at_most_a_thousandth_too_high(percent: float) -> None:
    rng = random.Random(1)
    values_ms = [rng.lognormvariate(1, 2) for _ in range(10_000)]
    exact_ms = sorted(values_ms)[max(0, -(-len(values_ms) * percent // 100).__trunc__() - 1)]
    told_ms = Histogram.of(values_ms).percentile(percent)
    assert exact_ms - 0.0005 <= told_ms <= exact_ms * 1.001 + 0.0005  # values are whole µs


def test_highest_value_is_kept() -> None:
    assert histogram_of(1.0, 2.0, 1234.5).most_ms == pytest.approx(1234.5, rel=0.001)


def test_values_outside_the_range_count_at_its_ends() -> None:
    histogram = histogram_of(0.0, 1e9)
    assert histogram.count == 2
    assert histogram.percentile(50) == 0.001
    assert histogram.percentile(100) == pytest.approx(600_000, rel=0.001)


def test_histograms_added_after_encoding_equal_one_histogram() -> None:
    rng = random.Random(2)
    values_ms = [rng.expovariate(0.1) for _ in range(2_000)]
    whole, first, second = Histogram.of(values_ms), Histogram.of(values_ms[:500]), Histogram.of(values_ms[500:])
    first.add(Histogram.decoded(second.encoded()))
    percents = [0.0, 50.0, 99.0, 99.9, 100.0]
    assert (first.count, first.percentiles(percents)) == (2_000, whole.percentiles(percents))
    assert first.most_ms == whole.most_ms
