"""All figures of a run as one JSON document: every key is always there, with its unit in its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from bench.load.generator import Done
from bench.load.outcome import Outcome
from bench.load.run_spec import RunSpec
from bench.load.settlement import SettlementProgress
from bench.load.usage import Cpu
from bench.load.verdict import Verdict
from bench.scenarios import SCENARIOS
from client_sim.sim.histogram import Histogram

PERCENTILES: Final = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "p99_99": 99.99}
TICKS: Final = 4  # points of the curve for each halving of what lies above: 50, 62.5, 75, 81.25, …
HALVINGS: Final = 17  # 2^-17 above: 99.999 %


class Costs(NamedTuple):
    """What the processes used while the clock ran, and the server's memory when it stopped."""

    cpu: Cpu
    rss_mb: float
    generators: Sequence[Done]


def figures(
    order: RunSpec,
    durability: str,
    outcome: Outcome,
    costs: Costs,
    settlement: SettlementProgress,
    verdict: Verdict | None,
    about: dict[str, Any],
) -> dict[str, Any]:
    """The document. `verdict` is None where there is no money."""
    latency = outcome.histogram
    return {
        "scenario": order.scenario,
        "loop": "open" if order.is_open else "closed",
        "durability": durability,
        "connections": outcome.connections,
        "depth": order.depth,
        "generators": order.generators,
        "seed": order.seed,
        "offered_per_s": order.rate_per_s if order.is_open else None,
        "requests": outcome.turns + outcome.errors.get("unanswered", 0),
        "seconds": round(outcome.end_s, 3),
        "warmup_s": round(outcome.begin_s, 3),
        "rate_per_s": round(outcome.rate_per_s),
        "rate_of": SCENARIOS[order.scenario].rate_of,
        "latency_ms": _spread(latency, PERCENTILES),
        "curve": [[percent, round(value_ms, 3)] for percent, value_ms in latency.percentiles(_curve()).items()],
        "series": [
            {"second": second, "completed": one.completed} | _second(Histogram.decoded(one.latency))
            for second, one in sorted(outcome.series.items())
        ],
        "answers": outcome.answers,
        "errors": outcome.errors,
        "cpu_s": {name: round(used, 3) for name, used in costs.cpu._asdict().items()}
        | {"generator": round(sum(one.cpu_s for one in costs.generators), 3)},
        "generator_busy": round(
            max((one.cpu_s / one.wall_s for one in costs.generators if one.wall_s), default=0.0), 3
        ),
        "rss_mb": round(costs.rss_mb, 1),
        "settlement": settlement._asdict()
        | {"drain_per_s": None if settlement.drain_per_s is None else round(settlement.drain_per_s)},
        "pushes": outcome.pushes,
        "extra": _extra(outcome),
        **_money(verdict),
        "about": about,
    }


def _money(verdict: Verdict | None) -> dict[str, Any]:
    names = ("funded_fen", "claimed_fen", "refunded_fen", "unopened_fen")
    if verdict is None:
        money = dict.fromkeys((*names, "difference_fen"), 0)
        return {"money": money, "missing": 0, "duplicates": 0, "oversold": 0, "in_doubt": 0, "valid": True}
    return {
        "money": {name: getattr(verdict.report.sums, name) for name in names}
        | {"difference_fen": verdict.difference_fen},
        "missing": verdict.missing,
        "duplicates": verdict.duplicates,
        "oversold": verdict.oversold,
        "in_doubt": verdict.in_doubt,
        "valid": verdict.holds,
    }


def _extra(outcome: Outcome) -> dict[str, Any]:
    spreads = {name: Histogram.decoded(text) for name, text in outcome.spreads.items()}
    few = {"p50": 50.0, "p99": 99.0}
    return dict(outcome.extra) | {name: _spread(one, few) for name, one in spreads.items()}


def _spread(histogram: Histogram, percents: dict[str, float]) -> dict[str, float]:
    values_ms = histogram.percentiles(list(percents.values()))
    found = {name: round(values_ms[percent], 3) for name, percent in percents.items()}
    return found | {"max": round(histogram.most_ms, 3)}


def _second(histogram: Histogram) -> dict[str, float]:
    values_ms = histogram.percentiles([50.0, 99.0])
    return {"p50_ms": round(values_ms[50.0], 3), "p99_ms": round(values_ms[99.0], 3)}


def _curve() -> list[float]:
    """Percentiles that lie the closer the higher they are, as HDR plots have them."""
    above = (100 / 2**halving * (1 - tick / (2 * TICKS)) for halving in range(HALVINGS) for tick in range(TICKS))
    return [round(100 - one, 7) for one in above]
