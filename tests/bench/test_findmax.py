"""The search for the highest rate, on made-up servers that can do so much and no more."""

from __future__ import annotations

from typing import Any

import pytest

from bench.findmax import find_max, next_rate, step_of
from bench.fleet import BenchFailed


def figures(offered: float, able: float, errors: int = 0, valid: bool = True) -> dict[str, Any]:
    """A run on a server that can do `able` per second."""
    return {
        "offered_per_s": offered,
        "rate_per_s": min(offered, able),
        "latency_ms": {"p99": 5.0 if offered <= able else 500.0},
        "errors": {"overloaded": errors} if errors else {},
        "valid": valid,
    }


@pytest.mark.parametrize(
    ("start", "able", "offered"),
    [
        (1000, 3000, [1000, 1500, 2250, 3375, 2756, 3050, 2899]),
        (4000, 1900, [4000, 2000, 1000, 1414, 1682, 1834, 1915]),
        (1000, 1e9, [1000, 1500, 2250, 3375, 5062, 7593, 11390, 17085]),
    ],
)
async def test_it_closes_in_on_what_the_server_can_do(start: float, able: float, offered: list[float]) -> None:
    said: list[str] = []
    asked: list[float] = []

    async def run(rate_per_s: float) -> dict[str, Any]:
        asked.append(rate_per_s)
        return figures(rate_per_s, able)

    found = await find_max(start, 20.0, run, said.append)
    assert asked == offered
    best = max(rate for rate in offered if rate <= able)
    assert (found["find_max"]["rate_per_s"], found["offered_per_s"]) == (best, best)
    assert [step["passed"] for step in found["find_max"]["steps"]] == [rate <= able for rate in offered]
    assert len(said) == len(offered)
    assert said[0].startswith("✓ offered 1,000/s" if start <= able else "✗ offered 4,000/s")


async def test_nothing_that_passes_is_one_line() -> None:
    async def run(rate_per_s: float) -> dict[str, Any]:
        return figures(rate_per_s, 0.0)

    with pytest.raises(BenchFailed, match=r"^no rate down to 8/s keeps p99 under 20 ms$"):
        await find_max(1000, 20.0, run, lambda _: None)


async def test_a_void_run_ends_the_search() -> None:
    async def run(rate_per_s: float) -> dict[str, Any]:
        return figures(rate_per_s, 1e9, valid=rate_per_s < 2000)

    found = await find_max(1000, 20.0, run, lambda _: None)
    assert (found["valid"], found["offered_per_s"]) == (False, 2250)


def test_a_step_passes_in_time_without_errors_and_at_the_rate() -> None:
    assert step_of(figures(1000, 2000), 20.0).passed
    assert not step_of(figures(1000, 2000), 4.0).passed
    assert not step_of(figures(1000, 2000, errors=1), 20.0).passed
    assert not step_of(figures(1000, 900), 1000.0).passed
    assert step_of(figures(1000, 980), 1000.0).passed


def test_rates_go_up_then_down_then_between() -> None:
    inf = float("inf")
    assert next_rate(1000, 0, inf) == 1000
    assert next_rate(1000, 1000, inf) == 1500
    assert next_rate(1000, 0, 1000) == 500
    assert next_rate(1000, 1000, 4000) == 2000
