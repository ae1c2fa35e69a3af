"""The suite of `make bench`: the comparison, and every other scenario once. About five minutes."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec
from rich.console import Console

from bench.compare import compare
from bench.compare.compare import ComparisonScreen
from bench.compare.matchups import DEEP, MATCHUPS, WIDE, Figures, Setting, Stands, valid_run
from bench.load import target
from bench.load.run_spec import RunSpec
from bench.load.target import Target
from bench.report.about import about
from bench.report.screen import Screen
from bench.scenarios import SCENARIOS
from server.loop import run as run_loop

HALF: Final = 0.5  # of the maximum: the rate of the open loop whose latency counts
HALF_SECONDS: Final = 6.0
OPEN_CLOSED: Final = "open, closed loop"
OPEN_HALF: Final = "open, half the maximum"
IDLE: Final = "idle"


def standard(scenario: str, **changes: Any) -> RunSpec:
    """The scenario's default run: a closed loop, unless `changes` have a rate."""
    kind = SCENARIOS[scenario].standard
    requests = kind.requests_of(kind.connections)
    run_spec = RunSpec(scenario, kind.connections, kind.depth, requests, seconds=kind.seconds)
    return msgspec.structs.replace(run_spec, **changes)


def _closed(scenario: str, setting: Setting, requests: int) -> RunSpec:
    """Without a warm-up, as in the comparison."""
    return standard(scenario, connections=setting.connections, depth=setting.depth, requests=requests, warmup_s=0.0)


def _open(scenario: str, connections: int, rate_per_s: float, seconds: float) -> RunSpec:
    return standard(scenario, connections=connections, depth=0, requests=0, rate_per_s=rate_per_s, seconds=seconds)


# Each on a server of its own: those that are idle, because only there memory shows the users; the others for their
# config.
ALONE: Final = {
    IDLE: standard("idle", seconds=5.0),
    "idle-websocket": standard("idle-websocket", seconds=5.0),
    "http-open": standard("http-open", warmup_s=0.0),
    "http-send": standard("http-send", warmup_s=0.0),
    "webhooks": _open("webhooks", 100, 250, seconds=10.0),  # four of six endpoints answer: 1,000 deliveries/s
}
# All other runs besides the comparison, but `open` in an open loop, whose rate depends on another run.
RUNS: Final = {
    f"echo, {WIDE}": _closed("echo", WIDE, 60_000),
    f"echo, {DEEP}": _closed("echo", DEEP, 60_000),
    f"opens, durability postgres, {DEEP}": _closed("opens", DEEP, 100_000),
    "send": _closed("send", DEEP, 30_000),
    "login": standard("login", warmup_s=0.0),
    "push": standard("push"),
    "hot, 5,000 users": standard("hot", connections=5_000, requests=25_000),
    "day": _open("day", 1_000, 2_000, seconds=5.0),
    OPEN_CLOSED: _closed("open", WIDE, 30_000),
}


def half_of(closed: Figures) -> RunSpec:
    """`open` in an open loop at half the rate of its closed loop."""
    return _open("open", closed["connections"], float(round(closed["rate_per_s"] * HALF)), HALF_SECONDS)


def measure(rounds: int, console: Console) -> dict[str, Any]:
    """All runs: the comparison's document, and `runs` and `rivals` with all figures by name.

    Raises BenchFailed if a run is invalid, ServerFailed, EmbeddedError, StoreUnavailable.
    """
    began_s = time.perf_counter()
    compared = len(list(compare.trials(MATCHUPS, rounds)))
    screen = ComparisonScreen(console, compared + len(RUNS) + len(ALONE) + len((OPEN_HALF,)))
    alone = {name: [_alone(name, run_spec, screen, console)] for name, run_spec in ALONE.items()}
    with compare.start_stands(lambda _: None) as stands:  # the config is the same
        suite = run_loop(_measure(stands, rounds, screen))
    suite["runs"] |= alone
    return suite | {"seconds": round(time.perf_counter() - began_s), "seed": alone[IDLE][0]["seed"]}


def _alone(name: str, run_spec: RunSpec, screen: ComparisonScreen, console: Console) -> Figures:
    """A run on a server of its own, with the config of the comparison and that of its scenario."""
    say, sections = Screen(console).say, SCENARIOS[run_spec.scenario].sections
    with target.own_server("postgres", compare.LIMITS, say, sections=sections) as own:
        return run_loop(_run(own, name, run_spec, screen))


async def _measure(stands: Stands, rounds: int, screen: ComparisonScreen) -> dict[str, Any]:
    results = await compare.compare(stands, rounds, MATCHUPS, screen)
    runs = {name: played for (name, side), played in results.items() if side == "ours"}
    for name, run_spec in RUNS.items():
        stand = stands.bare if SCENARIOS[run_spec.scenario].server == "bare" else stands.safe
        runs[name] = [await _run(stand, name, run_spec, screen)]
    runs[OPEN_HALF] = [await _run(stands.safe, OPEN_HALF, half_of(runs[OPEN_CLOSED][0]), screen)]
    rivals: dict[str, list[Figures]] = {}
    for matchup in MATCHUPS:
        for rival in matchup.rivals:
            played = results[matchup.name, rival.name]
            is_ours = "scenario" in played[0]  # the bare server is measured as our runs are
            (runs if is_ours else rivals)[f"{rival.name}, {matchup.setting}"] = played
    told = compare.document(compare.pairs_of(MATCHUPS, results), rounds, await about(stands.safe))
    return told | {"runs": runs, "rivals": rivals}


async def _run(stand: Target, name: str, run_spec: RunSpec, screen: ComparisonScreen) -> Figures:
    figures = await valid_run(stand, run_spec, screen)
    screen.show_ended(name, figures)
    return figures
