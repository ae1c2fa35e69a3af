"""The figures of one run, and its verdict as text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console

from bench.chaos.auditor import Findings
from bench.chaos.nemesis import Nemesis
from bench.chaos.payments import history as log
from bench.chaos.payments.books import BankBooks, OurBooks
from bench.chaos.payments.history import PaymentHistory
from bench.chaos.report import NAMED_MAX

UNKNOWN_P99_S: Final = 60.0  # with a healthy bank
NOTICE_P99_MS: Final = 50.0  # on an idle machine


def spread(values: Sequence[float]) -> dict[str, Any]:
    """How many, and the quantiles."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0, "p50": None, "p99": None, "max": None}

    def quantile(share: float) -> float:
        return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3)

    return {"count": len(ordered), "p50": quantile(0.5), "p99": quantile(0.99), "max": round(ordered[-1], 3)}


def resolved_s(ours: OurBooks, windows_ms: Sequence[tuple[float, float]]) -> list[float]:
    """How long the outcome of each payment was unknown, without the time in which faults kept it so."""
    merged = _merged(windows_ms)
    return [
        (one.ended_ms - one.unknown_ms - _overlap(merged, one.unknown_ms, one.ended_ms)) / 1000
        for one in ours.payments
        if one.unknown_ms
    ]


def _merged(windows_ms: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for begin, end in sorted(windows_ms):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def _overlap(windows_ms: Sequence[tuple[float, float]], begin: float, end: float) -> float:
    return sum(max(0.0, min(end, last) - max(begin, first)) for first, last in windows_ms)


def figures(
    history: PaymentHistory,
    nemesis: Nemesis,
    findings: Findings,
    others: Sequence[str],
    ours: OurBooks,
    bank: BankBooks,
    about: dict[str, Any],
) -> dict[str, Any]:
    """All figures, for the file. `others`: what both sides' own audits and the nemesis have found."""
    named = [*findings.all, *others]
    unknown = spread(resolved_s(ours, nemesis.windows_ms))
    calm_ms = [took for at_s, took in bank.notice_ms if at_s <= about["calm_until_s"]]
    return {
        **about,
        "kills": {**dict(sorted(nemesis.kills.items())), "all": nemesis.kills.total()},
        "faults": dict(sorted(nemesis.hits.items())),
        "missed_faults": dict(sorted(nemesis.missed.items())),
        "recoveries_s": spread(nemesis.recovery_s),
        "payments": len(history.ops),
        "answers": dict(Counter(f"{op.kind} {op.answer}" for op in history.ops)),
        "states": dict(Counter(f"{one.kind} {one.state}" for one in ours.payments)),
        "bank_faults": dict(Counter(one.fault for one in bank.orders)),
        "repeated": sum(op.tries > 1 for op in history.ops),
        "statement_rows": len(bank.statement),
        "unknown_resolved_s": {**unknown, "with_faults": spread(resolved_s(ours, ()))},
        "notice_ms": {"calm": spread(calm_ms), "all": spread([took for _, took in bank.notice_ms])},
        "lost": len(findings.lost),
        "doubled": len(findings.duplicated),
        "discrepancies": len(named),
        "named": named[:NAMED_MAX],
        "is_resolved_in_time": unknown["p99"] is None or unknown["p99"] <= UNKNOWN_P99_S,
        "is_notice_in_time": (spread(calm_ms)["p99"] or 0.0) <= NOTICE_P99_MS,
    }


def holds(figures: dict[str, Any]) -> bool:
    """Whether all money is there once, and what was unknown became known in time. Notices depend on the machine."""
    return not figures["discrepancies"] and figures["is_resolved_in_time"]


def show(console: Console, figures: dict[str, Any]) -> None:
    """The verdict."""
    for line in _lines(figures):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(figures: dict[str, Any]) -> list[str]:
    kills = ", ".join(f"{count} {target}" for target, count in figures["kills"].items() if target != "all")
    faulted = sum(count for fault, count in figures["bank_faults"].items() if fault != "none")
    asked = sum(figures["bank_faults"].values())
    unknown, notices = figures["unknown_resolved_s"], figures["notice_ms"]
    told = sum(count for answer, count in figures["answers"].items() if answer.endswith(f" {log.DONE}"))
    lines = [
        f"kills     {figures['kills']['all']} of {figures['kills_asked']} ({kills or 'none'}); "
        f"faults of all kinds {sum(figures['faults'].values())}",
        f"bank      {faulted:,} of {asked:,} orders with a fault",
        f"payments  {figures['payments']:,} asked for, {told:,} told as made, {figures['repeated']:,} repeated",
        "states    " + ", ".join(f"{count:,} {state}" for state, count in sorted(figures["states"].items())),
        f"unknown   {unknown['count']:,} payments, resolved p50 {_s(unknown['p50'])}, p99 {_s(unknown['p99'])} "
        f"(must be ≤ {UNKNOWN_P99_S:g} s; with the faults p99 {_s(unknown['with_faults']['p99'])})",
        f"notices   acknowledged p99 {_ms(notices['calm']['p99'])} without kills (≤ {NOTICE_P99_MS:g} ms on an "
        f"idle machine), {_ms(notices['all']['p99'])} in all",
        f"books     {figures['statement_rows']:,} rows of statements: lost {figures['lost']}, "
        f"doubled {figures['doubled']}, discrepancies {figures['discrepancies']}",
    ]
    lines += [f"  ✗ {one}" for one in figures["named"]]
    lines += [f"  ! server: {one}" for one in figures["alarms"]]
    verdict = "holds" if holds(figures) else "DOES NOT HOLD"
    seconds = f"seed {figures['seed']}, durability {figures['durability']}, {figures['seconds']:g} s"
    return [*lines, f"chaos of payments: {verdict} ({seconds})"]


def _s(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} ms"
