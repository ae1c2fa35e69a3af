"""What a bench run prints, and the same as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from bench.opens import Outcome
from bench.verdict import Verdict

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9}


def as_json(outcome: Outcome, verdict: Verdict, durability: str) -> dict[str, Any]:
    """Every figure of a run, with units in the names."""
    sums = verdict.report.sums
    latency_ms = {name: round(outcome.latency.percentile(percent), 3) for name, percent in PERCENTILES.items()}
    return {
        "scenario": "opens",
        "loop": "closed",
        "durability": durability,
        "connections": outcome.connections,
        "depth": outcome.depth,
        "opens": outcome.opens,
        "seconds": round(outcome.seconds, 3),
        "rate_per_s": round(outcome.rate_per_s),
        "latency_ms": latency_ms | {"max": round(outcome.latency.most_ms, 3)},
        "errors": {name: count for name, count in outcome.answers.items() if name != "won"},
        "missing": verdict.missing,
        "duplicates": verdict.duplicates,
        "oversold": verdict.oversold,
        "difference_fen": sums.wallets_fen + sums.in_packets_fen - sums.put_in_fen + sums.taken_out_fen,
    }


def show(console: Console, figures: dict[str, Any], verdict: Verdict) -> None:
    """The figures for people, and whether the run counts."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in figures.items():
        said = "  ".join(f"{key} {part}" for key, part in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name, said or "none")
    console.print(table)
    ending = (
        "every claim that was told is in the books" if verdict.holds else "void: the books contradict the users"
    )
    console.print(f"money verdict: {ending}", style="bold", highlight=False)
