"""The common checks of all rivals."""

from __future__ import annotations

from array import array

import pytest

from bench.compare.rivals.result import InvalidRun, percentiles_ms, prove

FAIR = {(1, 10): 50, (1, 11): 150, (2, 10): 199, (2, 11): 1}  # two packets of 2 shares and 2.00 yuan


def test_percentiles_are_measured_latencies() -> None:
    latencies_s = array("d", [number / 1000 for number in range(200, 0, -1)])
    assert percentiles_ms(latencies_s) == {
        "p50": 100.0,
        "p90": 180.0,
        "p99": 198.0,
        "p99_9": 200.0,
        "p99_99": 200.0,
        "max": 200.0,
    }
    assert percentiles_ms(array("d"))["p50"] == 0.0


def test_run_is_valid_if_answers_and_store_agree() -> None:
    prove(FAIR, dict(FAIR), packets=2, shares=2)


@pytest.mark.parametrize(
    ("booked", "why"),
    [
        ({(1, 10): 51, (1, 11): 149, (2, 10): 199, (2, 11): 1}, "not the same"),
        ({(1, 10): 50, (1, 11): 150, (2, 10): 199}, "not the same"),
    ],
)
def test_different_claims_in_the_store_make_the_run_invalid(booked: dict[tuple[int, int], int], why: str) -> None:
    with pytest.raises(InvalidRun, match=why):
        prove(FAIR, booked, packets=2, shares=2)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({(1, 10): 200, (2, 10): 50, (2, 11): 150}, "won by 2 users"),
        ({(1, 10): 50, (1, 11): 150}, "won by 2 users"),
        ({(1, 10): 50, (1, 11): 149, (2, 10): 199, (2, 11): 1}, "more or less than its total"),
        ({(1, 10): 50, (1, 11): 150, (2, 10): 200, (2, 11): 0}, "won nothing"),
    ],
)
def test_wrong_amounts_make_the_run_invalid(claims: dict[tuple[int, int], int], why: str) -> None:
    with pytest.raises(InvalidRun, match=why):
        prove(claims, claims, packets=2, shares=2)
