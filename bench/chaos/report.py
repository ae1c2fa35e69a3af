"""What chaos tells: a line while it runs, the figures as JSON, the sum of several runs, the verdict for the eye."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
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
# asyncpg leaves the answer behind when a request runs into its timeout at the moment the connection breaks
LEFT_BEHIND: Final = re.compile(r"Future exception was never retrieved.*ConnectionDoesNotExistError")

IDENTITY: Final = ("tier", "seed", "seconds")  # of a run
COUNTED: Final = ("kills", "faults", "missed_faults")  # name -> count
ADDED: Final = (
    "kills_asked",
    "acked_sends",
    "acked_claims",
    "unknown",
    "asked_again",
    "sends_left_out",
    "operations_checked",
    "lost",
    "duplicated",
    "discrepancies",
)
JOINED: Final = ("named", "alarms", "recoveries_s")


def progress(elapsed_s: float, history: History, nemesis: Nemesis, waiting: int) -> str:
    """One line about now."""
    return (
        f"{elapsed_s:4.0f} s  {history.acked_claims:>9,} claims  {history.acked_sends:>7,} sends"
        f"  {nemesis.kills.total():>4} kills  {waiting:>6,} wait  {nemesis.now}"
    )


def figures(
    history: History, nemesis: Nemesis, findings: Findings, audit: Sequence[str], about: dict[str, Any]
) -> dict[str, Any]:
    """Everything, for the file. `audit`: what the project's own audit found."""
    named = [*findings.all, *nemesis.stuck, *(f"hongbao audit: {line}" for line in audit)]
    told = {
        **about,
        "kills": {**dict(sorted(nemesis.kills.items())), "all": nemesis.kills.total()},
        "faults": dict(sorted(nemesis.hits.items())),
        "missed_faults": dict(sorted(nemesis.missed.items())),
        "acked_sends": history.acked_sends,
        "acked_claims": history.acked_claims,
        "unknown": _unknown(history),
        "asked_again": sum(one.tries > 1 for one in history.ops),
        "operations_checked": len(history.ops),
        "lost": len(findings.lost),
        "duplicated": len(findings.duplicated),
        "discrepancies": len(named),
        "named": named[:NAMED_MAX],
        "recoveries_s": [round(one, 3) for one in nemesis.recovery_s],
    }
    return told | _drawn_from(told)


def total(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Several runs as one. Raises KeyError, TypeError for what is no run."""
    told: dict[str, Any] = {"runs": [{name: run[name] for name in IDENTITY} for run in runs]}
    for name in COUNTED:
        told[name] = dict(sum((Counter(run[name]) for run in runs), Counter()))
    told |= {name: sum(run[name] for run in runs) for name in ADDED}
    told |= {name: [one for run in runs for one in run[name]] for name in JOINED}
    return told | _drawn_from(told)


def total_of(files: Sequence[Path]) -> dict[str, Any]:
    """Several runs as one, from the files they wrote. Raises ValueError."""
    try:
        return total([json.loads(file.read_text("utf-8")) for file in files])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"these are not files that runs of chaos wrote: {error!r}") from error


def _drawn_from(told: dict[str, Any]) -> dict[str, Any]:
    """What follows from the counts and the times."""
    acked, recoveries_s = told["acked_claims"], told["recoveries_s"]
    return {
        "bound_95": CONFIDENCE_95 / acked if acked and not told["lost"] else None,
        "recovery_s": {"p50": _percentile(recoveries_s, 0.5), "max": _percentile(recoveries_s, 1.0)},
    }


def _unknown(history: History) -> int:
    return sum(one.answer == UNKNOWN for one in history.sends) + sum(one.answer == UNKNOWN for one in history.ops)


def alarms(log: Path) -> list[str]:
    """Lines of the server's log that should never be there."""
    lines = log.read_text(errors="replace").splitlines()
    return [line.strip()[:300] for line in lines if ALARM.search(line) and not LEFT_BEHIND.search(line)]


def show(console: Console, told: dict[str, Any]) -> None:
    """The verdict on one run or on several, with all that is wrong."""
    for line in (*_counts(told), *(f"  ✗ {one}" for one in told["named"])):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for line in told["alarms"]:
        console.print(f"  ! server: {line}", markup=False, highlight=False, soft_wrap=True)
    if told["bound_95"] is not None:
        acked, bound = f"{told['acked_claims']:,}", f"{told['bound_95']:.1e}"
        console.print(
            f"0 of {acked} acked claims lost: at 95 % confidence fewer than {bound} (3/N)", soft_wrap=True
        )
    holds = "holds" if not told["discrepancies"] else "DOES NOT HOLD"
    console.print(f"chaos: {holds} ({', '.join(map(_which, told.get('runs', [told])))})", soft_wrap=True)


def _counts(told: dict[str, Any]) -> list[str]:
    by_target = (f"{count} {target}" for target, count in told["kills"].items() if target != "all")
    lines = [
        f"kills     {told['kills']['all']} of {told['kills_asked']} ({', '.join(by_target) or 'none'}); "
        f"faults of all kinds {sum(told['faults'].values())}",
        f"acked     {told['acked_claims']:,} claims, {told['acked_sends']:,} sends; "
        f"{told['asked_again']:,} asked again, {told['unknown']:,} never answered",
    ]
    recovery = told["recovery_s"]
    if recovery["max"] is not None:
        lines.append(f"recovery  p50 {recovery['p50']:.2f} s, max {recovery['max']:.2f} s")
    wrong = f"lost {told['lost']}, duplicated {told['duplicated']}, discrepancies {told['discrepancies']}"
    return [*lines, f"checked   {told['operations_checked']:,} operations: {wrong}"]


def _which(run: dict[str, Any]) -> str:
    return f"tier {run['tier']} seed {run['seed']} {run['seconds']:g} s"


def _percentile(values: Sequence[float], share: float) -> float | None:
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
