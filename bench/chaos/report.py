"""Reports of chaos: a line while it runs, the figures as JSON, the sum of several runs, the verdict as text."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bench.chaos.auditor import Findings
from bench.chaos.history import UNKNOWN, History
from bench.chaos.nemesis import Nemesis

NAMED_MAX: Final = 50  # discrepancies that are written out
CONFIDENCE_95: Final = 3.0  # "rule of three": no loss in N trials means at 95 % confidence fewer than 3 in N
ALARM: Final = re.compile(r"traceback|\[critical|\[error|\"level\": ?\"(critical|error)\"", re.IGNORECASE)
HARMLESS: Final = re.compile(
    # asyncpg does not fetch the answer when a request times out at the moment at which the connection breaks
    r"Future exception was never retrieved.*ConnectionDoesNotExistError"
    r"|worker_(ended|given_up).*signal 9"  # the nemesis killed it
    r"|worker_(ended|given_up).*\"why\": \"(PostgreSQL|Redis): "  # it began while a store was away
)

# How the keys of several runs are added up. "tier" is the durability.
IDENTITY: Final = ("tier", "seed", "seconds")
MADE_OF: Final = ("workers", "sets")  # how many; older files have one of each
COUNTED: Final = ("kills", "faults", "missed_faults", "shakes")  # name -> count
ADDED: Final = (
    *("kills_asked", "acked_sends", "acked_claims", "acked_wins", "unknown", "asked_again", "sends_left_out"),
    *("operations_checked", "lost", "duplicated", "discrepancies"),
)
JOINED: Final = ("named", "alarms", "recoveries_s")


def progress(elapsed_s: float, history: History, nemesis: Nemesis, waiting: int) -> str:
    return (
        f"{elapsed_s:4.0f} s  {history.acked_claims:>9,} claims  {history.acked_sends:>7,} sends"
        f"  {history.acked_wins:>6,} wins"
        f"  {nemesis.kills.total():>4} kills  {waiting:>6,} waiting  {nemesis.now}"
    )


def figures(
    history: History, nemesis: Nemesis, findings: Findings, audit: Sequence[str], about: dict[str, Any]
) -> dict[str, Any]:
    """All figures, for the file. `audit`: the discrepancies that the project's own audit found."""
    named = [*findings.all, *nemesis.stuck, *(f"hongbao audit: {line}" for line in audit)]
    counts = {
        **about,
        "kills": {**dict(sorted(nemesis.kills.items())), "all": nemesis.kills.total()},
        "faults": dict(sorted(nemesis.hits.items())),
        "missed_faults": dict(sorted(nemesis.missed.items())),
        "acked_sends": history.acked_sends,
        "acked_claims": history.acked_claims,
        "acked_wins": history.acked_wins,
        "shakes": dict(sorted(history.shakes.items())),
        "unknown": [*(one.answer for one in history.sends), *(one.answer for one in history.ops)].count(UNKNOWN),
        "asked_again": sum(one.tries > 1 for one in history.ops),
        "operations_checked": len(history.ops),
        "lost": len(findings.lost),
        "duplicated": len(findings.duplicated),
        "discrepancies": len(named),
        "named": named[:NAMED_MAX],
        "recoveries_s": [round(one, 3) for one in nemesis.recovery_s],
        "recovered_s": {name: [round(one, 3) for one in each] for name, each in nemesis.recovered_s.items()},
    }
    return counts | _derived(counts)


def total_of(files: Sequence[Path]) -> dict[str, Any]:
    """Several runs as one, from the files they wrote. Raises ValueError."""
    try:
        runs = [json.loads(file.read_text("utf-8")) for file in files]
        identities = [
            {name: run[name] for name in IDENTITY} | {name: run.get(name, 1) for name in MADE_OF} for run in runs
        ]
        total: dict[str, Any] = {"runs": identities}
        total |= {name: dict(sum((Counter(run[name]) for run in runs), Counter())) for name in COUNTED}
        total |= {name: sum(run[name] for run in runs) for name in ADDED}
        total |= {name: [one for run in runs for one in run[name]] for name in JOINED}
        recovered_s: defaultdict[str, list[float]] = defaultdict(list)
        for name, each in (pair for run in runs for pair in run.get("recovered_s", {}).items()):
            recovered_s[name] += each
        total["recovered_s"] = dict(recovered_s)
        return total | _derived(total)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"these are not files that runs of chaos wrote: {error!r}") from error


def _derived(counts: dict[str, Any]) -> dict[str, Any]:
    acked, recoveries_s = counts["acked_claims"], sorted(counts["recoveries_s"])
    middle = max(0, math.ceil(len(recoveries_s) / 2) - 1)
    recovery_s = (
        {"p50": recoveries_s[middle], "max": recoveries_s[-1]} if recoveries_s else {"p50": None, "max": None}
    )
    return {"bound_95": CONFIDENCE_95 / acked if acked and not counts["lost"] else None, "recovery_s": recovery_s}


def alarms(log: Path) -> list[str]:
    """Lines of the server's log that must not occur."""
    lines = log.read_text(errors="replace").splitlines()
    return [line.strip()[:300] for line in lines if ALARM.search(line) and not HARMLESS.search(line)]


def show(console: Console, figures: dict[str, Any]) -> None:
    """The verdict on one run or on several, with all discrepancies."""
    for line in _lines(figures):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(figures: dict[str, Any]) -> list[str]:
    kills = ", ".join(f"{count} {target}" for target, count in figures["kills"].items() if target != "all")
    recovery, acked = figures["recovery_s"], figures["acked_claims"]
    wrong = ", ".join(f"{name} {figures[name]}" for name in ("lost", "duplicated", "discrepancies"))
    lines = [
        f"kills     {figures['kills']['all']} of {figures['kills_asked']} ({kills or 'none'}); "
        f"faults of all kinds {sum(figures['faults'].values())}",
        f"acked     {acked:,} claims, {figures['acked_sends']:,} sends, {figures['acked_wins']:,} wins; "
        f"{figures['asked_again']:,} repeated, {figures['unknown']:,} never answered",
    ]
    lines += _strikes(figures)
    if recovery["max"] is not None:
        lines.append(f"recovery  p50 {recovery['p50']:.2f} s, max {recovery['max']:.2f} s")
    lines.append(f"checked   {figures['operations_checked']:,} operations: {wrong}")
    lines += [f"  ✗ {one}" for one in figures["named"]]
    lines += [f"  ! server: {one}" for one in figures["alarms"]]
    if figures["bound_95"] is not None:
        bound = f"at 95 % confidence fewer than {figures['bound_95']:.1e} (3/N)"
        lines.append(f"0 of {acked:,} acked claims lost: {bound}")
    runs = (
        f"durability {run['tier']}, seed {run['seed']}, {run['seconds']:g} s{_parts(run)}"
        for run in figures.get("runs", [figures])
    )
    holds = "holds" if not figures["discrepancies"] else "DOES NOT HOLD"
    return [*lines, f"chaos: {holds} ({'; '.join(runs)})"]


def _parts(run: dict[str, Any]) -> str:
    """How many workers and sets the server had, if it had several."""
    return "".join(f", {run[name]} {name}" for name in MADE_OF if run.get(name, 1) > 1)


def _strikes(figures: dict[str, Any]) -> list[str]:
    """The strikes by kind: how often each hit and found nothing to hit, and how long until money moved again."""
    hits, missed, recovered_s = figures["faults"], figures["missed_faults"], figures["recovered_s"]
    names = sorted({*hits, *missed})
    width = max([34, *map(len, names)])
    lines = [f"{'strikes':<{width + 2}}{'hit':>5}{'missed':>8}{'recovery p50':>14}{'max':>8}"] if names else []
    for name in names:
        each = sorted(recovered_s.get(name, ()))
        middle, most = (f"{each[(len(each) - 1) // 2]:.2f} s", f"{each[-1]:.2f} s") if each else ("–", "–")
        lines.append(f"  {name:<{width}}{hits.get(name, 0):>5}{missed.get(name, 0):>8}{middle:>14}{most:>8}")
    return lines
