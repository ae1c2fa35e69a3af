"""What a run of chaos tells: a line while it runs, the figures as JSON, the verdict for the eye."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bench.chaos.auditor import Findings
from bench.chaos.history import UNKNOWN, History
from bench.chaos.nemesis import Nemesis

NAMED_MAX: Final = 50  # discrepancies that are written out
CONFIDENCE_95: Final = 3.0  # "rule of three": no loss in N trials, so at 95 % confidence fewer than 3 in N
ALARM: Final = re.compile(r"traceback|\[critical|\[error|\"level\": ?\"(critical|error)\"", re.IGNORECASE)


def progress(elapsed_s: float, history: History, nemesis: Nemesis, waiting: int) -> str:
    """One line about now."""
    return (
        f"{elapsed_s:4.0f} s  {history.acked_claims:>9,} claims  {history.acked_sends:>7,} sends"
        f"  {sum(nemesis.kills.values()):>4} kills  {waiting:>6,} wait  {nemesis.now}"
    )


def figures(
    history: History, nemesis: Nemesis, findings: Findings, audit: Sequence[str], about: dict[str, Any]
) -> dict[str, Any]:
    """Everything, for the file. `audit`: what the project's own audit found."""
    named = [*findings.all, *nemesis.stuck, *(f"hongbao audit: {line}" for line in audit)]
    acked = history.acked_claims
    return {
        **about,
        "kills": {**dict(sorted(nemesis.kills.items())), "all": nemesis.kills.total()},
        "faults": dict(sorted(nemesis.hits.items())),
        "missed_faults": dict(sorted(nemesis.missed.items())),
        "acked_sends": history.acked_sends,
        "acked_claims": acked,
        "unknown": _unknown(history),
        "asked_again": sum(one.tries > 1 for one in history.ops),
        "operations_checked": len(history.ops),
        "lost": len(findings.lost),
        "duplicated": len(findings.duplicated),
        "discrepancies": len(named),
        "named": named[:NAMED_MAX],
        "loss_bound_95": CONFIDENCE_95 / acked if acked and not findings.lost else None,
        "recovery_s": {"p50": _percentile(nemesis.recovery_s, 0.5), "max": _percentile(nemesis.recovery_s, 1.0)},
    }


def _unknown(history: History) -> int:
    return sum(one.answer == UNKNOWN for one in history.sends) + sum(one.answer == UNKNOWN for one in history.ops)


def alarms(log: Path) -> list[str]:
    """Lines of the server's log that should never be there."""
    return [line.strip()[:300] for line in log.read_text(errors="replace").splitlines() if ALARM.search(line)]


def show(console: Console, told: dict[str, Any]) -> None:
    """The verdict, with all that is wrong."""
    kills = ", ".join(f"{count} {target}" for target, count in told["kills"].items() if target != "all") or "none"
    recovery = told["recovery_s"]
    console.print(f"kills     {told['kills']['all']} ({kills}); faults of all kinds {sum(told['faults'].values())}")
    console.print(
        f"acked     {told['acked_claims']:,} claims, {told['acked_sends']:,} sends; "
        f"{told['asked_again']:,} asked again, {told['unknown']:,} never answered"
    )
    if recovery["max"] is not None:
        console.print(f"recovery  p50 {recovery['p50']:.2f} s, max {recovery['max']:.2f} s")
    console.print(f"lost {told['lost']}, duplicated {told['duplicated']}, discrepancies {told['discrepancies']}")
    for line in told["named"]:
        console.print(f"  ✗ {line}", markup=False, highlight=False, soft_wrap=True)
    for line in told["alarms"]:
        console.print(f"  ! server: {line}", markup=False, highlight=False, soft_wrap=True)
    if told["loss_bound_95"] is not None:
        bound = f"{told['loss_bound_95']:.1e}"
        console.print(
            f"0 of {told['acked_claims']:,} acked claims lost: at 95 % confidence fewer than {bound} (3/N)"
        )
    holds = "holds" if not told["discrepancies"] else "DOES NOT HOLD"
    console.print(f"chaos: {holds} (tier {told['tier']}, seed {told['seed']}, {told['seconds']:g} s)")


def _percentile(values: Sequence[float], share: float) -> float | None:
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
