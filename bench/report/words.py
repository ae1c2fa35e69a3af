"""Numbers and sentences about a run, the same in every report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

Figures = Mapping[str, Any]  # of one run

GENERATOR_BUSY_MAX: Final = 0.9  # of a core: beyond it the generator may limit the rate
NONE: Final = "–"
PERCENTILES: Final = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "p99_99": 99.99}
SUMMARY_KEYS: Final = ("p50", "p99", "p99_9", "max")


def number(value: float) -> str:
    """Three significant digits, with a thousands separator: 0.42, 1.5, 12.3, 12,345."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def ms(value_ms: float) -> str:
    """A latency; 0 means that there is none."""
    return f"{number(value_ms)} ms" if value_ms else NONE


def percentile_name(key: str) -> str:
    """p99_9 as people write it: p99.9."""
    return key.replace("_", ".") if key in PERCENTILES else key


def has_books(figures: Figures) -> bool:
    """False for the bare server, which records nothing."""
    return bool(figures["durability"] != "none")


def durability(figures: Figures) -> str:
    """The durability of a server with books, and a comma."""
    return f"durability {figures['durability']}, " if has_books(figures) else ""


def cores(figures: Figures, process: str) -> float:
    """The number of cores that a process kept busy."""
    used_s = figures["cpu_s"].get(process) or 0
    return round(used_s / figures["seconds"], 2) if figures["seconds"] else 0.0


def summary(figures: Figures) -> str:
    """The size of a run and how to read its latencies."""
    generators = f"{figures['generators']} generator{'s' if figures['generators'] != 1 else ''}"
    size = (
        f"{figures['requests']:,} requests in {number(figures['seconds'])} s "
        f"over {figures['connections']:,} connections from {generators}"
    )
    if figures["loop"] == "open":
        return (
            f"{size}. {number(figures['offered_per_s'] or 0)} requests per second were planned from a seed; "
            "latency counts from the planned start, so the delay of late requests is included."
        )
    return (
        f"{size}, {figures['depth']} in flight on each. "
        "A closed loop waits for the server: its latencies do not include the queueing delay of an open loop."
    )


def latency_summary(figures: Figures) -> str:
    if not figures["curve"]:
        return "No latencies were measured."
    values = figures["latency_ms"]
    return "Latency: " + ", ".join(f"{percentile_name(key)} {ms(values[key])}" for key in SUMMARY_KEYS) + "."
