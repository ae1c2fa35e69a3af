"""What workers cost: the same load on one process and on several, in turns, on the same machine.

Two cores serve everything, so the processor time of an operation counts, not the rate: with four workers three of
four opens are forwarded to the owner of their packet. Lone opens say what the way there and back takes.

An open costs until its claim is credited: a server that settles later has not saved anything. Each read, batch and
frame has a price of its own, so what came together is told beside the costs: a client that sends many requests at
once has them answered by one process in one go, and by several workers in as many parts as they have owners.

A closed loop fills all cores, so it compares batches as large as each server can make them: these costs have the
bound. The same opens at a rate that leaves cores idle are told beside it, and what servers cost that do nothing.
"""

from __future__ import annotations

import re
import statistics
import time
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
from bench.load.usage import exact_cpu_s, worker_pids
from bench.report.files import check_folder
from bench.report.screen import Screen
from bench.scenarios.http import Http
from server.cli.shared.numbers import Count, Seconds, Seed
from server.config import Config
from server.loop import run as run_loop
from server.workers.sizing import owners_among

WORKERS: Final = 4
OPENS: Final = 20_000
CONNECTIONS, DEPTH = 200, 8
SINGLE: Final = 1_000  # connections with one request in flight, as clients of people have
LONE_PER_S: Final = 100.0
RATED_PER_S: Final = 2_000.0  # on two cores both servers have time left
IDLE_S: Final = 3.0
MEMBERS, TEXTS = 2_000, 40
HTTP_CONNECTIONS: Final = 100
FORWARDED_US_MOST: Final = 6.0
OPENS_MOST: Final = 1.15
LONE_MS_MOST: Final = 0.5
PUSH_LEAST: Final = 0.8
PSS_MB_MOST: Final = 60.0
COSTS: Final = ("open_us", "clock_us", "single_us", "rated_us")
SETTLED: Final = 40_000  # claims of a round, by each of one set and two
SETS_LEAST: Final = 0.9


class Round(NamedTuple):
    """Pairs: one process, several workers. `valid`: the books hold.

    `_us`: processor time of the server for an open, µs, until every claim was credited; `clock_us`: while the clock
    ran; `single_us`: with one request in flight of each client; `rated_us`: at RATED_PER_S. `batches`: what came
    together, see WorkState.
    """

    open_us: tuple[float, float]
    clock_us: tuple[float, float]
    single_us: tuple[float, float]
    rated_us: tuple[float, float]
    batches: tuple[dict[str, float], dict[str, float]]
    lone_p50_ms: tuple[float, float]
    deliveries_per_s: tuple[float, float]
    http_per_s: tuple[float, float]  # opens on behalf of users
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
    single = RunSpec("opens", SINGLE, depth=1, requests=sizes.opens, seed=sizes.seed)
    rated = RunSpec("opens", CONNECTIONS, rate_per_s=RATED_PER_S, seconds=sizes.seconds, seed=sizes.seed)
    lone = RunSpec("opens", CONNECTIONS, rate_per_s=LONE_PER_S, seconds=sizes.seconds, seed=sizes.seed)
    push = RunSpec("push", MEMBERS, depth=4, requests=TEXTS, seed=sizes.seed)
    http = RunSpec("http-open", HTTP_CONNECTIONS, depth=1, requests=sizes.opens, seed=sizes.seed)
    specs = {"opens": opens, "single": single, "rated": rated, "lone": lone, "push": push, "http": http}
    found = {name: [await run(target, spec, screen) for target in (one, several)] for name, spec in specs.items()}
    medians = [figures["latency_ms"]["p50"] for figures in found["lone"]]
    valid = all(figures["valid"] for pair in found.values() for figures in pair)
    return Round(
        _costs(found["opens"], "cpu_settled_s"),
        _costs(found["opens"], "cpu_s"),
        _costs(found["single"], "cpu_settled_s"),
        _costs(found["rated"], "cpu_settled_s"),
        (found["opens"][0]["batches"] or {}, found["opens"][1]["batches"] or {}),
        (medians[0], medians[1]),
        _rates(found["push"]),
        _rates(found["http"]),
        valid,
    )


def _rates(pair: list[dict[str, Any]]) -> tuple[float, float]:
    one, several = (float(figures["rate_per_s"]) for figures in pair)
    return one, several


def _costs(pair: list[dict[str, Any]], key: str) -> tuple[float, float]:
    """Processor time of all processes of each of two servers for each operation, µs."""
    one, several = (
        float(figures[key]["server"] * 1e6 / max(1, sum(figures["answers"].values()))) for figures in pair
    )
    return one, several


def pss_mb(pid: int) -> float:
    """Memory of a process, what it shares counted in part, in MB; 0 if it is not known. Linux."""
    with suppress(OSError):
        found = re.search(r"^Pss: +(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) * 1024 / 1e6 if found else 0.0
    return 0.0


def idle_ms(server: int) -> float:
    """Processor time of all processes of a server that nothing is asked of, in ms for each second. Linux."""
    pids = [server, *worker_pids(server)]
    before_s = sum(map(exact_cpu_s, pids))
    time.sleep(IDLE_S)
    return (sum(map(exact_cpu_s, pids)) - before_s) * 1000 / IDLE_S


class Beside(NamedTuple):
    """What is measured once. `idle_mb`: of each idle worker; `idle_ms`: of one process and of all workers, see
    idle_ms; `owners`: workers that decide; `settled`: claims/s in one set and in two, of each round.
    """

    idle_mb: list[float]
    idle_ms: tuple[float, float]
    owners: int
    settled: list[tuple[float, float]]


def figures_of(rounds: list[Round], workers: int, beside: Beside) -> dict[str, Any]:
    """Medians of the rounds, and whether each is within its bound."""
    settled = beside.settled

    def median(name: str, place: int) -> float:
        return float(statistics.median(getattr(one, name)[place] for one in rounds))

    def ratio_of(name: str) -> float:
        return float(statistics.median(getattr(one, name)[1] / getattr(one, name)[0] for one in rounds))

    open_us, several_us = median("open_us", 0), median("open_us", 1)
    ratio = ratio_of("open_us")
    forwarded = 1 - 1 / workers
    found = {
        "forwarded_us": (several_us - open_us) / forwarded if forwarded else 0.0,
        "opens_ratio": ratio,
        "clock_ratio": ratio_of("clock_us"),
        "single_ratio": ratio_of("single_us"),
        "rated_ratio": ratio_of("rated_us"),
        "lone_more_ms": median("lone_p50_ms", 1) - median("lone_p50_ms", 0),
        "push_ratio": statistics.median(one.deliveries_per_s[1] / one.deliveries_per_s[0] for one in rounds),
        "idle_worker_mb": max(beside.idle_mb, default=0.0),
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
        "owners": beside.owners,
        "idle_ms": [round(one, 1) for one in beside.idle_ms],
        "rounds": [one._asdict() for one in rounds],
        **{name: [round(median(name, place), 2) for place in (0, 1)] for name in COSTS},
        "batches": [_medians([one.batches[place] for one in rounds]) for place in (0, 1)],
        "http_per_s": [round(median("http_per_s", place)) for place in (0, 1)],
        "settled_per_s": [round(statistics.median(pair[place] for pair in settled)) for place in (0, 1)],
        "found": {name: round(value, 3) for name, value in found.items()},
        "within": within,
        "valid": all(one.valid for one in rounds),
    }


def _medians(sizes: list[dict[str, float]]) -> dict[str, float]:
    """By name, over the rounds that know it."""
    names = dict.fromkeys(name for one in sizes for name in one)
    return {name: round(statistics.median(one[name] for one in sizes if name in one), 3) for name in names}


def lines_of(figures: dict[str, Any]) -> list[str]:
    """The verdict."""
    found, workers, owners = figures["found"], figures["workers"], figures["owners"]
    words = {name: "within" if holds else "NOT within" for name, holds in figures["within"].items()}
    costs = {name: "{:.1f} µs of one process, {:.1f} µs of ".format(*figures[name]) for name in COSTS}
    one_set, two_sets = figures["settled_per_s"]
    one_ms, several_ms = figures["idle_ms"]
    one_http, several_http = figures["http_per_s"]
    return [
        f"opens          {costs['open_us']}{workers} workers ({owners} of them own packets): "
        f"{found['opens_ratio']:.2f}, {words['opens_ratio']} ≤ {OPENS_MOST}",
        f"  by the clock {costs['clock_us']}{workers} workers: {found['clock_ratio']:.2f}",
        f"  one by one   {costs['single_us']}{workers} workers: {found['single_ratio']:.2f}",
        f"  at {RATED_PER_S:,.0f}/s   {costs['rated_us']}{workers} workers: {found['rated_ratio']:.2f}",
        f"  by HTTP      {one_http:,}/s of one process, {several_http:,}/s of {workers} workers",
        f"  idle         {one_ms:.0f} ms a second of one process, {several_ms:.0f} ms of {workers} workers",
        *(f"  at once      {_sizes_in_words(sizes)}" for sizes in figures["batches"]),
        f"forwarded open {found['forwarded_us']:+.1f} µs, {words['forwarded_us']} ≤ {FORWARDED_US_MOST:g}",
        f"lone open      p50 {found['lone_more_ms']:+.2f} ms, {words['lone_more_ms']} ≤ {LONE_MS_MOST}",
        f"push           {found['push_ratio']:.2f} of one process to {MEMBERS:,} members, "
        f"{words['push_ratio']} ≥ {PUSH_LEAST}",
        f"idle worker    {found['idle_worker_mb']:.0f} MB (PSS), {words['idle_worker_mb']} ≤ {PSS_MB_MOST:g}",
        f"settlement     {one_set:,} claims/s in one set of PostgreSQL, {two_sets:,} in two: "
        f"{found['sets_ratio']:.2f}, {words['sets_ratio']} ≥ {SETS_LEAST}",
        f"money verdict: {'holds' if figures['valid'] else 'INVALID'}",
    ]


def _sizes_in_words(sizes: dict[str, float]) -> str:
    return "  ".join(f"{name.replace('_', ' ')} {value:,g}" for name, value in sizes.items()) or "not known"


def command(
    *,
    workers: Annotated[Count, Parameter(help="of the server that is compared with one process")] = WORKERS,
    opens: Annotated[Count, Parameter(help="opens of a round, on each server")] = OPENS,
    seconds: Annotated[Seconds, Parameter(help="of lone opens, on each server")] = 5.0,
    rounds: Annotated[Count, Parameter(help="how often all of it is measured")] = 3,
    seed: Annotated[Seed, Parameter(help="the same seed gives the same arrivals")] = 1,
    json_file: Annotated[Path | None, Parameter(name="--json", help="write all figures to this file")] = None,
) -> int:
    """One process against several workers: opens, pushes, HTTP, memory; settlement in one set and in two.

    Exit 1 if the books do not hold. The comparison is printed: it means little on a machine that others use.

    Example: hongbao bench scale --workers 4 --json scale.json
    """
    check_folder(json_file)
    screen, sizes = Screen(Console()), Sizes(workers, opens, seconds, seed)
    sections = f"{Http.sections}[server]\nworkers = {workers}\n"
    with (
        own_server("postgres", {}, screen.say, sections=Http.sections) as one,
        own_server("postgres", {}, screen.say, sections=sections) as several,
    ):
        idle_mb = [pss_mb(pid) for pid in worker_pids(several.pids.server)]
        idle = idle_ms(one.pids.server), idle_ms(several.pids.server)
        played = [run_loop(play(one, several, sizes, screen)) for _ in range(rounds)]
    settled = [run_loop(claims_per_s(SETTLED)) for _ in range(rounds)]
    owners = owners_among(Config(), workers)
    figures = figures_of(played, workers, Beside(idle_mb, idle, owners, settled))
    for line in lines_of(figures):
        screen.say(line)
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2))
    return 0 if figures["valid"] else 1
