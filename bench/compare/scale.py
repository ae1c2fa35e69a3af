"""What workers cost: the same load on one process and on several, in turns, on the same machine.

Two cores serve everything, so the processor time of an operation counts, not the rate: with four workers three of
four opens are forwarded to the owner of their packet. Lone opens say what the way there and back takes.
"""

from __future__ import annotations

import re
import statistics
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from cyclopts import Parameter
from rich.console import Console

from bench.compare.set_settlement import claims_per_s
from bench.load.run import run
from bench.load.run_spec import RunSpec
from bench.load.target import Target, own_server
from bench.load.usage import worker_pids
from bench.report.files import check_folder
from bench.report.screen import Screen
from server.cli.shared.numbers import Count, Seconds, Seed
from server.loop import run as run_loop

WORKERS: Final = 4
OPENS: Final = 20_000
CONNECTIONS, DEPTH = 200, 8
LONE_PER_S: Final = 100.0
MEMBERS, TEXTS = 2_000, 40
FORWARDED_US_MOST: Final = 6.0
OPENS_MOST: Final = 1.15
LONE_MS_MOST: Final = 0.5
PUSH_LEAST: Final = 0.8
PSS_MB_MOST: Final = 60.0
SETTLED: Final = 40_000  # claims of a round, by each of one set and two
SETS_LEAST: Final = 0.9


class Round(NamedTuple):
    """Pairs: one process, several workers. `_us`: processor time of the server, µs each. `valid`: books hold."""

    open_us: tuple[float, float]
    lone_p50_ms: tuple[float, float]
    deliveries_per_s: tuple[float, float]
    valid: bool


class Sizes(NamedTuple):
    """How much is measured."""

    workers: int
    opens: int
    seconds: float
    seed: int


async def play(one: Target, several: Target, sizes: Sizes, screen: Screen) -> Round:
    """One round, the two servers in turns. Raises BenchFailed, ServerFailed, StoreUnavailable."""
    opens = RunSpec("opens", CONNECTIONS, depth=DEPTH, requests=sizes.opens, seed=sizes.seed)
    lone = RunSpec("opens", CONNECTIONS, rate_per_s=LONE_PER_S, seconds=sizes.seconds, seed=sizes.seed)
    push = RunSpec("push", MEMBERS, depth=4, requests=TEXTS, seed=sizes.seed)
    found = {
        name: [await run(target, spec, screen) for target in (one, several)]
        for name, spec in (("opens", opens), ("lone", lone), ("push", push))
    }
    costs = [_server_us(figures) for figures in found["opens"]]
    medians = [figures["latency_ms"]["p50"] for figures in found["lone"]]
    rates = [figures["rate_per_s"] for figures in found["push"]]
    valid = all(figures["valid"] for pair in found.values() for figures in pair)
    return Round((costs[0], costs[1]), (medians[0], medians[1]), (rates[0], rates[1]), valid)


def _server_us(figures: dict[str, Any]) -> float:
    """Processor time of all processes of the server for each operation, µs."""
    answered = sum(figures["answers"].values())
    used_s: float = figures["cpu_s"]["server"]
    return float(used_s * 1e6 / max(1, answered))


def pss_mb(pid: int) -> float:
    """Memory of a process, what it shares counted in part, in MB; 0 if it is not known. Linux."""
    with suppress(OSError):
        found = re.search(r"^Pss: +(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) * 1024 / 1e6 if found else 0.0
    return 0.0


def figures_of(
    rounds: list[Round], idle_mb: list[float], workers: int, settled: list[tuple[float, float]]
) -> dict[str, Any]:
    """Medians of the rounds, and whether each is within its bound. `settled`: claims/s in one set and in two."""

    def median(name: str, place: int) -> float:
        return float(statistics.median(getattr(one, name)[place] for one in rounds))

    open_us, several_us = median("open_us", 0), median("open_us", 1)
    ratio = statistics.median(one.open_us[1] / one.open_us[0] for one in rounds)
    forwarded = 1 - 1 / workers
    found = {
        "forwarded_us": (several_us - open_us) / forwarded if forwarded else 0.0,
        "opens_ratio": ratio,
        "lone_more_ms": median("lone_p50_ms", 1) - median("lone_p50_ms", 0),
        "push_ratio": statistics.median(one.deliveries_per_s[1] / one.deliveries_per_s[0] for one in rounds),
        "idle_worker_mb": max(idle_mb, default=0.0),
        "sets_ratio": statistics.median(two / one for one, two in settled),
    }
    within = {
        "forwarded_us": found["forwarded_us"] <= FORWARDED_US_MOST,
        "opens_ratio": ratio <= OPENS_MOST,
        "lone_more_ms": found["lone_more_ms"] <= LONE_MS_MOST,
        "push_ratio": found["push_ratio"] >= PUSH_LEAST,
        "idle_worker_mb": found["idle_worker_mb"] <= PSS_MB_MOST,
        "sets_ratio": found["sets_ratio"] >= SETS_LEAST,
    }
    return {
        "workers": workers,
        "rounds": [one._asdict() for one in rounds],
        "open_us": [round(open_us, 2), round(several_us, 2)],
        "settled_per_s": [round(statistics.median(pair[place] for pair in settled)) for place in (0, 1)],
        "found": {name: round(value, 3) for name, value in found.items()},
        "within": within,
        "valid": all(one.valid for one in rounds),
    }


def lines_of(figures: dict[str, Any]) -> list[str]:
    """The verdict."""
    found, workers = figures["found"], figures["workers"]
    words = {name: "within" if holds else "NOT within" for name, holds in figures["within"].items()}
    one_us, several_us = figures["open_us"]
    one_set, two_sets = figures["settled_per_s"]
    return [
        f"opens          {one_us:.1f} µs of one process, {several_us:.1f} µs of {workers} workers: "
        f"{found['opens_ratio']:.2f}, {words['opens_ratio']} ≤ {OPENS_MOST}",
        f"forwarded open {found['forwarded_us']:+.1f} µs, {words['forwarded_us']} ≤ {FORWARDED_US_MOST:g}",
        f"lone open      p50 {found['lone_more_ms']:+.2f} ms, {words['lone_more_ms']} ≤ {LONE_MS_MOST}",
        f"push           {found['push_ratio']:.2f} of one process to {MEMBERS:,} members, "
        f"{words['push_ratio']} ≥ {PUSH_LEAST}",
        f"idle worker    {found['idle_worker_mb']:.0f} MB (PSS), {words['idle_worker_mb']} ≤ {PSS_MB_MOST:g}",
        f"settlement     {one_set:,} claims/s in one set of PostgreSQL, {two_sets:,} in two: "
        f"{found['sets_ratio']:.2f}, {words['sets_ratio']} ≥ {SETS_LEAST}",
        f"money verdict: {'holds' if figures['valid'] else 'INVALID'}",
    ]


def command(
    *,
    workers: Annotated[Count, Parameter(help="of the server that is compared with one process")] = WORKERS,
    opens: Annotated[Count, Parameter(help="opens of a round, on each server")] = OPENS,
    seconds: Annotated[Seconds, Parameter(help="of lone opens, on each server")] = 5.0,
    rounds: Annotated[Count, Parameter(help="how often all of it is measured")] = 3,
    seed: Annotated[Seed, Parameter(help="the same seed gives the same arrivals")] = 1,
    json_file: Annotated[Path | None, Parameter(name="--json", help="write all figures to this file")] = None,
) -> int:
    """One process against several workers: opens, lone opens, pushes, memory; settlement in one set and in two.

    Exit 1 if the books do not hold. The comparison is printed: it means little on a machine that others use.

    Example: hongbao bench scale --workers 4 --json scale.json
    """
    check_folder(json_file)
    screen, sizes = Screen(Console()), Sizes(workers, opens, seconds, seed)
    sections = f"[server]\nworkers = {workers}\n"
    with (
        own_server("postgres", {}, screen.say) as one,
        own_server("postgres", {}, screen.say, sections=sections) as several,
    ):
        idle_mb = [pss_mb(pid) for pid in worker_pids(several.pids.server)]
        played = [run_loop(play(one, several, sizes, screen)) for _ in range(rounds)]
    settled = [run_loop(claims_per_s(SETTLED)) for _ in range(rounds)]
    figures = figures_of(played, idle_mb, workers, settled)
    for line in lines_of(figures):
        screen.say(line)
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2))
    return 0 if figures["valid"] else 1
