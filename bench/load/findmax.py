"""The highest rate of an open loop whose p99 stays under a bound: up by half until it fails, then bisection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf, sqrt
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from bench.load.generator_pool import BenchFailed
from bench.load.run_spec import RunSpec
from bench.load.setup import Say

GROWTH: Final = 1.5
STEPS_MAX: Final = 8
PRECISION: Final = 1.06  # ratio of the first rate that failed to the last one that passed
ACHIEVED_MIN: Final = 0.97  # of the offered rate
# For a run at the maximum of another scenario:
P99_MS: Final = 100.0  # the bound of the search
STEP_S: Final = 3.0  # the duration of each of its steps

Figures = dict[str, Any]


class SearchStep(NamedTuple):
    offered_per_s: float
    achieved_per_s: float
    p99_ms: float
    errors: int
    passed: bool

    def __str__(self) -> str:
        return (
            f"{'✓' if self.passed else '✗'} offered {self.offered_per_s:,.0f}/s: "
            f"achieved {self.achieved_per_s:,}/s, p99 {self.p99_ms} ms, {self.errors} errors"
        )


def step_of(figures: Figures, p99_ms: float) -> SearchStep:
    offered, achieved = figures["offered_per_s"], figures["rate_per_s"]
    p99, errors = figures["latency_ms"]["p99"], sum(figures["errors"].values())
    passed = p99 <= p99_ms and not errors and achieved >= ACHIEVED_MIN * offered and figures["valid"]
    return SearchStep(offered, achieved, p99, errors, passed)


async def find_max(
    start_per_s: float, p99_ms: float, run: Callable[[float], Awaitable[Figures]], say: Say
) -> Figures:
    """The figures of the fastest run that passed, with all steps in `find_max`; those of an invalid run end it.

    Raises BenchFailed if no rate passed.
    """
    best: Figures | None = None
    steps: list[SearchStep] = []
    passed_per_s, failed_per_s = 0.0, inf
    while len(steps) < STEPS_MAX and failed_per_s > PRECISION * passed_per_s:
        rate_per_s = round(next_rate(start_per_s, passed_per_s, failed_per_s))
        figures = await run(rate_per_s)
        steps.append(step_of(figures, p99_ms))
        say(str(steps[-1]))
        if not figures["valid"]:
            return figures
        if steps[-1].passed:
            best, passed_per_s = figures, rate_per_s
        else:
            failed_per_s = rate_per_s
    if best is None:
        raise BenchFailed(f"no rate down to {failed_per_s:,.0f}/s keeps p99 under {p99_ms:g} ms")
    found = {"p99_ms": p99_ms, "rate_per_s": passed_per_s, "steps": [step._asdict() for step in steps]}
    return best | {"find_max": found}


async def run_at_maximum(
    run_spec: RunSpec, scenario: str, run: Callable[[RunSpec], Awaitable[Figures]], say: Say
) -> Figures:
    """The figures of a run at the highest rate of another scenario; the search begins at the rate of the spec.

    The search is in `find_max`. An invalid step ends it, and its figures are returned. Raises BenchFailed.
    """
    step = replace(run_spec, scenario=scenario, seconds=STEP_S)
    say(f"first the maximum: {scenario} with p99 under {P99_MS:g} ms")
    found = await find_max(run_spec.rate_per_s, P99_MS, lambda rate: run(replace(step, rate_per_s=rate)), say)
    if not found["valid"]:
        return found
    maximum = found["find_max"]
    return await run(replace(run_spec, rate_per_s=float(maximum["rate_per_s"]))) | {"find_max": maximum}


def next_rate(start_per_s: float, passed_per_s: float, failed_per_s: float) -> float:
    """Higher while every rate passed, lower while every rate failed, else between the two."""
    if failed_per_s == inf:
        return passed_per_s * GROWTH if passed_per_s else start_per_s
    return sqrt(passed_per_s * failed_per_s) if passed_per_s else failed_per_s / 2
