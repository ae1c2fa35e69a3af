"""The search for the highest rate, on simulated servers with a fixed maximum."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from bench import cli
from bench.cli import Options, measure, spec_of
from bench.load.findmax import find_max, next_rate, step_of
from bench.load.generator_pool import BenchFailed
from bench.load.run_spec import RunSpec
from bench.load.target import Target
from bench.report.screen import Screen


def figures(offered: float, able: float, errors: int = 0, valid: bool = True) -> dict[str, Any]:
    """A run on a server whose maximum is `able` per second."""
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
async def test_search_converges_to_the_maximum_of_the_server(
    start: float, able: float, offered: list[float]
) -> None:
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


async def test_search_without_a_passing_rate_fails_with_one_line() -> None:
    async def run(rate_per_s: float) -> dict[str, Any]:
        return figures(rate_per_s, 0.0)

    with pytest.raises(BenchFailed, match=r"^no rate down to 8/s keeps p99 under 20 ms$"):
        await find_max(1000, 20.0, run, lambda _: None)


async def test_invalid_run_ends_the_search() -> None:
    async def run(rate_per_s: float) -> dict[str, Any]:
        return figures(rate_per_s, 1e9, valid=rate_per_s < 2000)

    found = await find_max(1000, 20.0, run, lambda _: None)
    assert (found["valid"], found["offered_per_s"]) == (False, 2250)


async def run_of_overload(
    monkeypatch: pytest.MonkeyPatch, options: Options, able: float, invalid_from: float = 1e9
) -> tuple[dict[str, Any], list[tuple[str, float, float]]]:
    """The figures on a simulated server, and scenario, rate and seconds of every run."""
    asked: list[RunSpec] = []

    async def run(_: Target, run_spec: RunSpec, __: Screen) -> dict[str, Any]:
        asked.append(run_spec)
        return figures(run_spec.rate_per_s, able, valid=run_spec.rate_per_s < invalid_from) | {
            "scenario": run_spec.scenario
        }

    monkeypatch.setattr(cli, "run", run)
    screen = Screen(Console(file=io.StringIO()))
    told = await measure(Target("", "postgres"), spec_of("overload", options), options, screen)
    return told, [(run_spec.scenario, run_spec.rate_per_s, run_spec.seconds) for run_spec in asked]


async def test_overload_without_a_rate_finds_the_maximum_of_open_first(monkeypatch: pytest.MonkeyPatch) -> None:
    told, asked = await run_of_overload(monkeypatch, Options(seconds=7), able=6_000)
    searched = [("open", rate, 3.0) for rate in (5_000, 7_500, 6_124, 5_534, 5_822)]
    assert asked == [*searched, ("overload", 5_822, 7)]
    assert (told["scenario"], told["offered_per_s"]) == ("overload", 5_822)
    assert (told["find_max"]["p99_ms"], told["find_max"]["rate_per_s"]) == (100.0, 5_822)
    assert len(told["find_max"]["steps"]) == len(searched)


async def test_overload_with_a_rate_does_not_search(monkeypatch: pytest.MonkeyPatch) -> None:
    told, asked = await run_of_overload(monkeypatch, Options(rate=9_000, seconds=7), able=6_000)
    assert (asked, "find_max" in told) == ([("overload", 9_000, 7)], False)


async def test_overload_with_an_invalid_step_returns_that_step(monkeypatch: pytest.MonkeyPatch) -> None:
    told, asked = await run_of_overload(monkeypatch, Options(), able=1e9, invalid_from=7_000)
    assert (told["valid"], told["scenario"]) == (False, "open")
    assert [scenario for scenario, *_ in asked] == ["open", "open"]


def test_step_passes_in_time_without_errors_and_at_the_rate() -> None:
    assert step_of(figures(1000, 2000), 20.0).passed
    assert not step_of(figures(1000, 2000), 4.0).passed
    assert not step_of(figures(1000, 2000, errors=1), 20.0).passed
    assert not step_of(figures(1000, 900), 1000.0).passed
    assert step_of(figures(1000, 980), 1000.0).passed


def test_next_rate_goes_up_then_down_then_between() -> None:
    inf = float("inf")
    assert next_rate(1000, 0, inf) == 1000
    assert next_rate(1000, 1000, inf) == 1500
    assert next_rate(1000, 0, 1000) == 500
    assert next_rate(1000, 1000, 4000) == 2000
