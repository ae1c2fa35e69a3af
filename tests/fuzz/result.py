"""The result of an attack, and its report with bounds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

NO_REQUESTS = {"asked": 0, "p99_ms": 0.0, "worst_ms": 0.0}


@dataclass
class Found:
    """The result of an attack."""

    frames: int = 0
    seconds: float = 0.0
    logins: int = 0
    hanging: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    worst_ms: float = 0.0
    worst_name: str = ""
    p99_single_ms: float = 0.0
    crashes: int = 0
    faults: list[str] = field(default_factory=list)
    live_packets: int = 0
    rss_warm: int = 0
    rss_end: int = 0
    before: dict[str, Any] = field(default_factory=lambda: dict(NO_REQUESTS))
    during: dict[str, Any] = field(default_factory=lambda: dict(NO_REQUESTS))

    @property
    def growth_mib(self) -> float:
        """The growth of the server's memory after the warm-up."""
        return (self.rss_end - self.rss_warm) / 2**20


class Bounds(NamedTuple):
    """The limits of a result."""

    single_ms: float = 500.0
    growth_mib: float = 64.0
    honest_p99_ms: float = 250.0


class Row(NamedTuple):
    """One line of the report."""

    name: str
    found: str
    bound: str
    holds: bool


def rows(found: Found, bounds: Bounds) -> list[Row]:
    """The report of a result."""
    worst = f"{found.worst_ms:.1f} ms ({found.worst_name}), p99 {found.p99_single_ms:.2f} ms"
    before, during = found.before, found.during
    return [
        Row("frames", f"{found.frames:,} in {found.seconds:.0f} s, {found.logins:,} connections", "", True),
        Row("crashes", str(found.crashes), "0", found.crashes == 0),
        Row("unhandled exceptions", str(len(found.faults)), "0", not found.faults),
        Row("frames without an answer", str(found.hanging), "0", found.hanging == 0),
        Row("refused as internal", str(found.counts["internal"]), "0", not found.counts["internal"]),
        Row("worst single frame", worst, f"{bounds.single_ms:.0f} ms", found.worst_ms <= bounds.single_ms),
        Row(
            "memory growth",
            f"{found.growth_mib:+.1f} MiB, to {found.rss_end / 2**20:.0f}; {found.live_packets:,} packets live",
            f"{bounds.growth_mib:.0f} MiB",
            found.growth_mib <= bounds.growth_mib,
        ),
        Row("honest p99 before", f"{before['p99_ms']} ms (worst {before['worst_ms']})", "", True),
        Row(
            "honest p99 during",
            f"{during['p99_ms']} ms (worst {during['worst_ms']}, of {during['asked']:,})",
            f"{bounds.honest_p99_ms:.0f} ms",
            during["p99_ms"] <= bounds.honest_p99_ms and during["asked"] > 0,
        ),
    ]
