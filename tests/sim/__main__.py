"""python -m tests.sim SEED [--trace] replays one run; python -m tests.sim --seeds 5000 runs many on all cores."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time

from tests.sim.defects import DEFECTS, violations_of
from tests.sim.world import World

CHUNK = 20


def replay(seed: int, durability: str | None, defect: str | None, trace: bool) -> int:
    """One run, printed in detail."""
    world = World(seed, DEFECTS[defect]() if defect else None, durability, trace)
    found = world.run()
    if world.lines is not None:
        print("\n".join(world.lines))
    print(f"seed {seed}: {world.plan}\n{len(world.answers)} answers, {len(world.tables.journal)} movements")
    print("\n".join(f"  ✗ {what}" for what in found) or "  ✓ no violation")
    return 1 if found else 0


def many(first: int, seeds: int, durability: str | None, defect: str | None) -> int:
    """Many runs; prints the seeds that failed."""
    began_s, failed = time.monotonic(), []
    work = [(seed, durability, defect) for seed in range(first, first + seeds)]
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for done, (seed, found) in enumerate(pool.imap_unordered(violations_of, work, CHUNK), 1):
            if found:
                failed.append(seed)
                print(f"\nseed {seed}: {found[0]}\n  replay: python -m tests.sim {seed} --trace", flush=True)
            if sys.stdout.isatty() or done % 1000 == 0 or done == seeds:
                print(f"\r{done} of {seeds} seeds, {len(failed)} failed", end="", flush=True)
    print(f"\nsim: {seeds} seeds from {first} in {time.monotonic() - began_s:.0f} s, {len(failed)} failed")
    return 1 if failed else 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("seed", nargs="?", type=int)
    parser.add_argument("--seeds", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--durability", choices=("postgres", "redis"))
    parser.add_argument("--defect", choices=sorted(DEFECTS))
    parser.add_argument("--trace", action="store_true")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return replay(arguments.seed, arguments.durability, arguments.defect, arguments.trace)
    return many(arguments.first, arguments.seeds, arguments.durability, arguments.defect)


if __name__ == "__main__":
    sys.exit(main())
