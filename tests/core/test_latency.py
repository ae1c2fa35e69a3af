"""Latencies in buckets: the counts, the differences and the quantiles."""

from __future__ import annotations

import pytest

from server.core.latency import BOUNDS_MS, Histogram, Latencies


def of(*all_ms: float) -> Latencies:
    histogram = Histogram()
    for ms in all_ms:
        histogram.add(ms)
    return histogram.so_far()


def test_latency_is_counted_at_the_first_bound_that_it_does_not_exceed() -> None:
    counted = of(0, 0.5, 0.6, 1, 2, 9_999.9, 10_000, 10_001, 1e9)
    assert counted.counts == (2, 2, 1, *(0,) * 14, 2, 2)
    assert counted.number == 9
    assert counted.sum_ms == 0.5 + 0.6 + 1 + 2 + 9_999.9 + 10_000 + 10_001 + 1e9
    assert len(counted.counts) == len(BOUNDS_MS) + 1 == len(Latencies().counts)


def test_snapshot_does_not_change_when_more_is_counted() -> None:
    histogram = Histogram()
    histogram.add(7)
    before = histogram.so_far()
    histogram.add(70)
    after = histogram.so_far()
    assert before == of(7)
    assert after.since(before) == of(70)
    assert after.since(Latencies()) == after


@pytest.mark.parametrize(
    ("all_ms", "part", "within_ms"),
    [
        ((4,), 0.5, 5),  # the bucket from 3 to 5
        ((4, 4), 0.5, 4),
        ((4, 4), 1, 5),
        ((0, 0, 0, 40), 0.75, 0.5),
        ((0, 0, 0, 40), 0.76, 50),
        ((0,) * 99 + (400,), 0.99, 0.5),
        ((0,) * 98 + (400,) * 2, 0.99, 400),
        ((20_000,), 0.5, 10_000),
        ((1, 20_000), 0.99, 10_000),
    ],
)
def test_quantile_is_interpolated_within_its_bucket(
    all_ms: tuple[float, ...], part: float, within_ms: float
) -> None:
    assert of(*all_ms).within_ms(part) == pytest.approx(within_ms)


def test_quantile_of_no_latencies_is_none() -> None:
    assert Latencies().within_ms(0.5) is None
