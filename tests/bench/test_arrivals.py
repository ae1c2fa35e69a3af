"""The arrivals of an open loop: drawn from a seed, at the exact rate, distributed as in a Poisson process."""

from __future__ import annotations

import itertools

import pytest

from bench.load import load


def test_arrivals_of_a_seed_never_change() -> None:
    assert load.arrivals(1, 2.5, 2.0).tolist() == pytest.approx(
        [0.25890198921348295, 0.6178168323463957, 0.9125319372350633, 1.1517069656494876, 1.2074668204659385]
    )
    assert load.arrivals(2, 2.5, 2.0) != load.arrivals(1, 2.5, 2.0)


def test_user_order_of_a_seed_never_changes() -> None:
    assert load.user_order(1, 8) == [1, 5, 3, 6, 4, 7, 0, 2]
    assert sorted(load.user_order(7, 1000)) == list(range(1000))


@pytest.mark.parametrize("seed", range(5))
def test_arrivals_have_the_exact_rate_and_the_gaps_of_a_poisson_process(seed: int) -> None:
    arrivals_s = load.arrivals(seed, 1000.0, 10.0).tolist()
    assert len(arrivals_s) == 10_000
    assert arrivals_s == sorted(arrivals_s)
    assert 0 <= arrivals_s[0] <= arrivals_s[-1] < 10.0
    in_each_tenth = [sum(1 for at in arrivals_s if int(at * 10) == tenth) for tenth in range(100)]
    mean = sum(in_each_tenth) / 100
    variance = sum((count - mean) ** 2 for count in in_each_tenth) / 100
    assert 0.6 < variance / mean < 1.5  # 1 for Poisson, 0 for a steady beat
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals_s)]
    longer_than_mean = sum(1 for gap in gaps if gap > 0.001) / len(gaps)
    assert longer_than_mean == pytest.approx(0.3679, abs=0.02)  # 1/e
