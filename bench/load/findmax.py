"""The highest rate of an open loop whose p99 stays under a bound: up by half until it fails, then bisection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import sqrt
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from bench.load.generator_pool import BenchFailed
from bench.load.run_spec import RunSpec

GROWTH: Final = 1.5
STEPS_MAX: Final = 8
NEAR_ENOUGH: Final = 1.06  # between the last rate that passed and the first that did not
ACHIEVED_MIN: Final = 0.97  # of what was offered
P99_MS: Final = 100.0  # before a run whose rate is the maximum: the bound,
STEP_S: Final = 3.0  # and how long each step of the search is

Figures = dict[str, Any]


class Step(NamedTuple):
    """One run at one rate."""

    offered_per_s: float
    achieved_per_s: float
    p99_ms: float
    errors: int
    passed: bool


def step_of(figures: Figures, p99_ms: float) -> Step:
    """What a run says about its rate."""
    offered, achieved = figures["offered_per_s"], figures["rate_per_s"]
    p99, errors = figures["latency_ms"]["p99"], sum(figures["errors"].values())
    passed = p99 <= p99_ms and not errors and achieved >= ACHIEVED_MIN * offered and figures["valid"]
    return Step(offered, achieved, p99, errors, passed)


async def find_max(
    start_per_s: float, p99_ms: float, run: Callable[[float], Awaitable[Figures]], say: Callable[[str], None]
) -> Figures:
    """The figures of the fastest run that passed, with all steps in `find_max`. Raises BenchFailed if none did."""
    best: Figures | None = None
    steps: list[Step] = []
    passed_per_s, failed_per_s = 0.0, float("inf")
    while len(steps) < STEPS_MAX and failed_per_s > NEAR_ENOUGH * passed_per_s:
        rate_per_s = round(next_rate(start_per_s, passed_per_s, failed_per_s))
        figures = await run(rate_per_s)
        step = step_of(figures, p99_ms)
        steps.append(step)
        say(_line(step))
        if not figures["valid"]:
            return figures
        if step.passed:
            best, passed_per_s = figures, rate_per_s
        else:
            failed_per_s = rate_per_s
    if best is None:
        raise BenchFailed(f"no rate down to {failed_per_s:,.0f}/s keeps p99 under {p99_ms:g} ms")
    told = {"p99_ms": p99_ms, "rate_per_s": passed_per_s, "steps": [step._asdict() for step in steps]}
    return best | {"find_max": told}


async def at_maximum(
    order: RunSpec, of: str, run: Callable[[RunSpec], Awaitable[Figures]], say: Callable[[str], None]
) -> Figures:
    """The figures of this order at the highest rate of scenario `of`, which is searched from the order's rate on.

    The search is told in `find_max`. A void step ends it: then the figures are that step's. Raises BenchFailed.
    """
    step = replace(order, scenario=of, seconds=STEP_S)
    say(f"first the maximum: {of} with p99 under {P99_MS:g} ms")
    found = await find_max(
        order.rate_per_s, P99_MS, lambda rate_per_s: run(replace(step, rate_per_s=rate_per_s)), say
    )
    if not found["valid"]:
        return found
    searched = found["find_max"]
    return await run(replace(order, rate_per_s=float(searched["rate_per_s"]))) | {"find_max": searched}


def next_rate(start_per_s: float, passed_per_s: float, failed_per_s: float) -> float:
    """Up while nothing failed, down while nothing passed, else between the two."""
    if failed_per_s == float("inf"):
        return passed_per_s * GROWTH if passed_per_s else start_per_s
    return sqrt(passed_per_s * failed_per_s) if passed_per_s else failed_per_s / 2


def _line(step: Step) -> str:
    sign = "✓" if step.passed else "✗"
    return (
        f"{sign} offered {step.offered_per_s:,.0f}/s: achieved {step.achieved_per_s:,}/s, p99 {step.p99_ms} ms, "
        f"{step.errors} errors"
    )
