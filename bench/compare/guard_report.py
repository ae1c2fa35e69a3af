"""What the guard's runs come to: ratios of processor time, their interval, a verdict for each case, the table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median, stdev
from typing import Any, Final, Literal, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from bench.report.screen import Screen

PAIRS_MIN: Final = 5
PRECISION: Final = 0.03  # half the width of the interval
# Student's t for 95 % (two-sided) with 1, 2, … degrees of freedom; with more than these the last one is too wide.
T_95: Final = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
)

Verdict = Literal["ok", "slower", "unclear"]


class Run(NamedTuple):
    """What one side did in one run."""

    requests: int  # that were answered
    errors: int  # requests that were refused or not answered
    cpu_s: float  # of the server's process
    postgres_cpu_s: float  # of all processes of its PostgreSQL
    rate_per_s: float
    seconds: float

    @property
    def cpu_us(self) -> float:
        """Processor time of a request."""
        return self.cpu_s * 1e6 / self.requests

    @property
    def postgres_us(self) -> float:
        """Processor time of PostgreSQL for a request: to record it, to settle it, to post what is told of it."""
        return self.postgres_cpu_s * 1e6 / self.requests


class Pair(NamedTuple):
    """One run of each side."""

    old: Run
    new: Run

    @property
    def ratio(self) -> float:
        """Above 1: the new one needs more."""
        return self.new.cpu_us / self.old.cpu_us

    @property
    def postgres_ratio(self) -> float:
        """Of PostgreSQL's processor time. Not judged: it is measured in hundredths of a second only."""
        return (
            self.new.postgres_us / self.old.postgres_us
            if self.old.postgres_cpu_s and self.new.postgres_cpu_s
            else 1.0
        )


class Interval(NamedTuple):
    """A mean ratio, and between which it lies with 95 %."""

    ratio: float
    low: float
    high: float

    @property
    def is_precise(self) -> bool:
        """Narrow enough."""
        return self.high / self.ratio - 1 <= PRECISION


class Lines(Screen):
    """Results and the live line; nothing of what generators say."""

    def say(self, text: str) -> None:
        """Too much for so many runs."""

    def tell(self, text: str) -> None:
        """One line."""
        super().say(text)


def interval(ratios: Sequence[float]) -> Interval:
    """The geometric mean of two ratios or more, and its 95 % interval."""
    logs = [math.log(ratio) for ratio in ratios]
    mean, freedom = fmean(logs), len(logs) - 1
    half = T_95[min(freedom, len(T_95)) - 1] * stdev(logs) / math.sqrt(len(logs))
    return Interval(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def is_enough(ratios: Sequence[float], pairs_max: int) -> bool:
    """Whether the interval is narrow enough, or no more pairs are allowed."""
    if len(ratios) >= pairs_max:
        return True
    return len(ratios) >= PAIRS_MIN and interval(ratios).is_precise


def verdict_of(found: Interval, limit: float) -> Verdict:
    """Slower only if the whole interval is above the limit."""
    if found.low > limit:
        return "slower"
    return "ok" if found.is_precise else "unclear"


def case_result(name: str, pairs: Sequence[Pair], limit: float) -> dict[str, Any]:
    """A case as JSON; processor time and rates are medians."""
    found = interval([pair.ratio for pair in pairs])
    postgres = interval([pair.postgres_ratio for pair in pairs])
    return {
        "case": name,
        "verdict": verdict_of(found, limit),
        "cpu_us_old": round(median(pair.old.cpu_us for pair in pairs), 2),
        "cpu_us_new": round(median(pair.new.cpu_us for pair in pairs), 2),
        "ratio": round(found.ratio, 4),
        "low": round(found.low, 4),
        "high": round(found.high, 4),
        "rate_per_s_old": round(median(pair.old.rate_per_s for pair in pairs)),
        "rate_per_s_new": round(median(pair.new.rate_per_s for pair in pairs)),
        "postgres_us_old": round(median(pair.old.postgres_us for pair in pairs), 2),
        "postgres_us_new": round(median(pair.new.postgres_us for pair in pairs), 2),
        "postgres": {name: round(value, 4) for name, value in postgres._asdict().items()},
        "pairs": [{"ratio": round(pair.ratio, 4), **_sides(pair)} for pair in pairs],
    }


def _sides(pair: Pair) -> dict[str, dict[str, float]]:
    return {name: run._asdict() for name, run in pair._asdict().items()}


def line_of(name: str, pairs: Sequence[Pair]) -> str:
    """The newest pair in one line, and the interval of all."""
    newest = pairs[-1]
    line = (
        f"{name}  pair {len(pairs):2}: {newest.old.cpu_us:7.2f} → {newest.new.cpu_us:7.2f} µs"
        f"  ratio {newest.ratio:.3f}  ({newest.old.rate_per_s:,.0f}/s → {newest.new.rate_per_s:,.0f}/s)"
    )
    if len(pairs) > 1:
        line += f"  {_between(interval([pair.ratio for pair in pairs])._asdict())}"
    errors = newest.old.errors, newest.new.errors
    return f"{line}  (errors {errors[0]:,} → {errors[1]:,})" if any(errors) else line


def show(console: Console, cases: Sequence[Mapping[str, Any]]) -> None:
    """The table for people."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)  # fits 80 columns
    titles = ("\ncase", "\npairs", "CPU µs\nold", "\nnew", "\nratio", "95 %\ninterval", "rate/s\nold", "\nnew")
    for title in titles:
        table.add_column(title, justify="left" if title == titles[0] else "right")
    table.add_column("\nverdict")
    for case in cases:
        table.add_row(
            case["case"],
            str(len(case["pairs"])),
            f"{case['cpu_us_old']:.1f}",
            f"{case['cpu_us_new']:.1f}",
            f"{case['ratio']:.3f}",
            _between(case),
            f"{case['rate_per_s_old']:,}",
            f"{case['rate_per_s_new']:,}",
            case["verdict"],
            style="red" if case["verdict"] == "slower" else None,
        )
    console.print(table, highlight=False)
    console.print("PostgreSQL's processor time for a request, not judged:", highlight=False)
    for case in cases:
        postgres, old, new = case["postgres"], case["postgres_us_old"], case["postgres_us_new"]
        line = (
            f"  {case['case']:22} {old:7.1f} → {new:7.1f} µs  ratio {postgres['ratio']:.3f}  {_between(postgres)}"
        )
        console.print(line, highlight=False)


def _between(found: Mapping[str, Any]) -> str:
    return f"{found['low']:.3f}–{found['high']:.3f}"
