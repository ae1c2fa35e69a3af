"""All figures of a run as one JSON document: every key is always present, with its unit in its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from bench.load.generator import Done
from bench.load.outcome import Outcome
from bench.load.run_spec import RunSpec
from bench.load.settlement import SettlementProgress
from bench.load.usage import CpuTimes
from bench.load.verdict import Verdict
from bench.report.words import PERCENTILES
from bench.scenarios import SCENARIOS
from client_sim.sim.histogram import Histogram

MONEY: Final = ("funded_fen", "claimed_fen", "refunded_fen", "unopened_fen", "difference_fen")
JUDGED: Final = ("missing", "duplicates", "oversold", "in_doubt")
TICKS: Final = 4  # points of the curve for each halving of the distance to 100 %: 50, 62.5, 75, 81.25, …
HALVINGS: Final = 17  # down to 2^-17 below 100 %: 99.999 %


class Costs(NamedTuple):
    """The CPU that processes used while the clock ran, and the server's memory when it stopped.

    `settled`: the CPU until every claim of the run was credited. `batches`: see WorkState.sizes; None: not known.
    """

    cpu: CpuTimes
    settled: CpuTimes
    rss_mb: float
    generators: Sequence[Done]
    batches: dict[str, float] | None


def figures(
    run_spec: RunSpec,
    durability: str,
    outcome: Outcome,
    costs: Costs,
    settlement: SettlementProgress,
    verdict: Verdict | None,
    about: dict[str, Any],
) -> dict[str, Any]:
    """The document. `verdict` is None for a server without money."""
    latency, drain_per_s = outcome.histogram, settlement.drain_per_s
    cpu_s = costs.cpu._asdict() | {"generator": sum(one.cpu_s for one in costs.generators)}
    busy = max((one.cpu_s / one.wall_s for one in costs.generators if one.wall_s), default=0.0)
    return {
        "scenario": run_spec.scenario,
        "loop": "open" if run_spec.is_open else "closed",
        "durability": durability,
        "connections": outcome.connections,
        "depth": run_spec.depth,
        "generators": run_spec.generators,
        "seed": run_spec.seed,
        "offered_per_s": run_spec.rate_per_s if run_spec.is_open else None,
        "requests": outcome.operations + outcome.errors.get("unanswered", 0),
        "seconds": round(outcome.end_s, 3),
        "warmup_s": round(outcome.begin_s, 3),
        "rate_per_s": round(outcome.rate_per_s),
        "rate_of": SCENARIOS[run_spec.scenario].rate_of,
        "latency_ms": _spread(latency, PERCENTILES),
        "curve": [[percent, round(value_ms, 3)] for percent, value_ms in latency.percentiles(_curve()).items()],
        "series": [
            {"second": second, "completed": one.completed} | _second(Histogram.decoded(one.latency))
            for second, one in sorted(outcome.series.items())
        ],
        "answers": outcome.answers,
        "errors": outcome.errors,
        "cpu_s": {name: round(used, 3) for name, used in cpu_s.items()},
        "cpu_settled_s": {name: round(used, 3) for name, used in costs.settled._asdict().items()},
        "batches": costs.batches,
        "generator_busy": round(busy, 3),
        "rss_mb": round(costs.rss_mb, 1),
        "settlement": settlement._asdict()
        | {"drain_per_s": drain_per_s if drain_per_s is None else round(drain_per_s)},
        "pushes": outcome.pushes,
        "extra": outcome.extra
        | {name: _spread(Histogram.decoded(text), ("p50", "p99")) for name, text in outcome.spreads.items()},
        **_money(verdict),
        "about": about,
    }


def _money(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {"money": dict.fromkeys(MONEY, 0), **dict.fromkeys(JUDGED, 0), "valid": True}
    sums = {name: getattr(verdict.report.sums, name) for name in MONEY[:-1]}
    return {
        "money": sums | {"difference_fen": verdict.difference_fen},
        **{name: getattr(verdict, name) for name in JUDGED},
        "valid": verdict.holds,
    }


def _spread(histogram: Histogram, keys: Iterable[str]) -> dict[str, float]:
    values_ms = histogram.percentiles([PERCENTILES[key] for key in keys])
    found = {key: round(values_ms[PERCENTILES[key]], 3) for key in keys}
    return found | {"max": round(histogram.most_ms, 3)}


def _second(histogram: Histogram) -> dict[str, float]:
    spread = _spread(histogram, ("p50", "p99"))
    return {"p50_ms": spread["p50"], "p99_ms": spread["p99"]}


def _curve() -> list[float]:
    """Percentiles that lie closer together towards 100 %, as in HDR plots."""
    above = (100 / 2**halving * (1 - tick / (2 * TICKS)) for halving in range(HALVINGS) for tick in range(TICKS))
    return [round(100 - one, 7) for one in above]
