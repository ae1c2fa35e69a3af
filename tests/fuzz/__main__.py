"""`python -m tests.fuzz --frames 1000000 --seed 1`: attack a server; exit 1 if a bound is broken."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from server.loop import run
from tests.fuzz.attack import Bounds, attack, rows


def main() -> int:
    """Run, print, judge."""
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    asked.add_argument("--frames", type=int, default=1_000_000)
    asked.add_argument("--seed", type=int, default=1)
    options = asked.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="hb-fuzz-") as folder:
        Path(folder).chmod(0o711)
        found = run(
            attack(Path(folder), options.frames, options.seed, lambda line: console.print(line, style="dim"))
        )
    table = Table("", "found", "bound", "", title=f"fuzz: seed {options.seed}")
    judged = rows(found, Bounds())
    for row in judged:
        table.add_row(row.what, row.found, row.bound, "✓" if row.holds else "✗")
    console.print(table)
    console.print("  ".join(f"{name} {count:,}" for name, count in found.counts.most_common()))
    for fault in found.faults[:20]:
        console.print(fault, markup=False)
    return 0 if all(row.holds for row in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
