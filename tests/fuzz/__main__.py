"""`python -m tests.fuzz --frames 1000000 --seed 1`: attack a server; exit 1 if a bound is broken."""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from server.loop import run
from tests.fuzz.attack import AS_SHIPPED, LIMITS_OFF, attack
from tests.fuzz.result import Bounds, rows

PACED_FRAMES_PER_S = 1_000.0  # the rate limit of 50 users, all frames hostile
PACED_S = 20
BOUNDS = Bounds()
# the server pauses reading from a connection with too many unmetered frames (server.net.read_flow.READ_PAUSE_S)
BOUNDS_AS_SHIPPED = Bounds(single_ms=1_500.0)


def main() -> int:
    """Run both attacks, print the reports."""
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    asked.add_argument("--frames", type=int, default=1_000_000)
    asked.add_argument("--seed", type=int, default=1)
    options = asked.parse_args()
    name = "limits off, as fast as it answers"
    deep = one_attack(name, options.seed, options.frames, LIMITS_OFF, math.inf, BOUNDS)
    frames = round(PACED_FRAMES_PER_S * PACED_S)
    name = f"as shipped, {PACED_FRAMES_PER_S:,.0f} frames/s"
    paced = one_attack(name, options.seed, frames, AS_SHIPPED, PACED_FRAMES_PER_S, BOUNDS_AS_SHIPPED)
    return 0 if deep and paced else 1


def one_attack(title: str, seed: int, frames: int, settings: str, frames_per_s: float, bounds: Bounds) -> bool:
    """Attack a new server and print the report; returns whether all bounds hold."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="hb-fuzz-") as folder:
        Path(folder).chmod(0o711)

        def say(line: str) -> None:
            console.print(line, style="dim")

        found = run(attack(Path(folder), frames, seed, say, settings, frames_per_s))
    table = Table("", "found", "bound", "", title=f"fuzz, {title}: seed {seed}")
    judged = rows(found, bounds)
    for row in judged:
        table.add_row(row.name, row.found, row.bound, "✓" if row.holds else "✗")
    console.print(table)
    console.print("  ".join(f"{name} {count:,}" for name, count in found.counts.most_common()))
    for fault in found.faults[:20]:
        console.print(fault, markup=False)
    return all(row.holds for row in judged)


if __name__ == "__main__":
    sys.exit(main())
