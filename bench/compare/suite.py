"""The short set of `make bench`: the comparison, and every other scenario once. About three minutes."""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

import msgspec
from rich.console import Console

from bench.compare import compare
from bench.compare.compare import Progress
from bench.compare.matchups import Figures, Setting, Sizes, Stands, counted
from bench.load import target
from bench.load.run_spec import RunSpec
from bench.load.target import Target
from bench.report.about import about
from bench.report.screen import Screen
from bench.scenarios import SCENARIOS
from server.loop import run as run_loop

OF_MAXIMUM: Final = 0.5  # the rate of the open loop whose latency counts
OPEN_CLOSED: Final = "open, closed loop"
HALF: Final = "open, half the maximum"
IDLE: Final = "idle"
USED: Final = ("opens", "hot", "grab", "send", "login", "push", "open", "day")


class Extent(NamedTuple):
    """How much there is to do beyond the comparison."""

    compared: Sizes = Sizes()
    opens: int = 100_000
    echoes: int = 60_000
    sends: int = 30_000
    logins: int = 30_000
    callers: int = 10_000  # who log in, and who are idle
    crowd: int = 5_000
    crowd_rounds: int = 5
    members: int = 2_000
    texts: int = 150
    opened: int = 30_000
    open_s: float = 6.0
    day_users: int = 1_000
    day_s: float = 5.0
    idle_s: float = 5.0


EXTENT: Final = Extent()


class Once(NamedTuple):
    """A run besides the comparison."""

    name: str
    order: RunSpec


def standard(scenario: str, **changes: Any) -> RunSpec:
    """What a scenario is by itself: a closed loop, unless `changes` say a rate."""
    kind = SCENARIOS[scenario].standard
    requests = kind.requests_of(kind.connections)
    order = RunSpec(scenario, kind.connections, kind.depth, requests, seconds=kind.seconds)
    return msgspec.structs.replace(order, **changes)


def once(extent: Extent) -> list[Once]:
    """All of them but `open` in an open loop, whose rate is not known before, and `idle`."""
    wide, deep = extent.compared.wide, extent.compared.deep
    return [
        Once(f"echo, {wide}", _closed("echo", wide, extent.echoes)),
        Once(f"echo, {deep}", _closed("echo", deep, extent.echoes)),
        Once(f"opens, tier postgres, {deep}", _closed("opens", deep, extent.opens)),
        Once("send", _closed("send", deep, extent.sends)),
        Once("login", standard("login", connections=extent.callers, requests=extent.logins, warmup_s=0.0)),
        Once("push", standard("push", connections=extent.members, requests=extent.texts)),
        Once(f"hot, {extent.crowd:,} users", _hot(extent)),
        Once("day", _day(extent)),
        Once(OPEN_CLOSED, _closed("open", wide, extent.opened)),
    ]


def _closed(scenario: str, setting: Setting, requests: int) -> RunSpec:
    """Without a warm-up, as in the comparison."""
    return standard(scenario, connections=setting.connections, depth=setting.depth, requests=requests, warmup_s=0.0)


def _hot(extent: Extent) -> RunSpec:
    return standard("hot", connections=extent.crowd, requests=extent.crowd * extent.crowd_rounds)


def _day(extent: Extent) -> RunSpec:
    per_s = SCENARIOS["day"].standard.rate_per_s
    return standard(
        "day", connections=extent.day_users, depth=0, requests=0, rate_per_s=per_s, seconds=extent.day_s
    )


def half_of(closed: Figures, seconds: float) -> RunSpec:
    """`open` in an open loop at a part of what its closed loop reached."""
    rate_per_s = float(round(closed["rate_per_s"] * OF_MAXIMUM))
    return standard(
        "open",
        connections=closed["connections"],
        depth=0,
        requests=0,
        rate_per_s=rate_per_s,
        seconds=seconds,
    )


def measure(rounds: int, console: Console, extent: Extent = EXTENT) -> dict[str, Any]:
    """All of it: the comparison's document, and `runs` and `rivals` with all figures by name.

    Raises BenchFailed if a run is void, ServerFailed, EmbeddedError, StoreUnavailable.
    """
    began_s = time.perf_counter()
    limits = compare.limits_of(USED)
    screen = Progress(console, compare.runs_of(rounds, extent.compared) + len(once(extent)) + len((IDLE, HALF)))
    with target.own("postgres", limits, Screen(console).say) as young:  # only there memory shows what users take
        idle = Once(IDLE, standard("idle", connections=extent.callers, seconds=extent.idle_s))
        figures = run_loop(_play(young, idle, screen))
    with compare.stands(limits, lambda _: None) as on:  # its config is the same
        told = run_loop(_measured(on, rounds, extent, screen))
    told["runs"] |= {idle.name: [figures]}
    return told | {"seconds": round(time.perf_counter() - began_s), "seed": figures["seed"]}


async def _measured(on: Stands, rounds: int, extent: Extent, screen: Progress) -> dict[str, Any]:
    found = await compare.compare(on, rounds, extent.compared, screen)
    runs = dict(found.ours)
    for one in once(extent):
        runs[one.name] = [await _play(_stand(on, one), one, screen)]
    half = Once(HALF, half_of(runs[OPEN_CLOSED][0], extent.open_s))
    runs[half.name] = [await _play(on.safe, half, screen)]
    theirs = found.theirs_by_name()
    echoes = {name: played for name, played in theirs.items() if "scenario" in played[0]}  # runs like ours
    told = compare.document(found.pairs(), rounds, await about(on.safe))
    rivals = {name: played for name, played in theirs.items() if name not in echoes}
    return told | {"runs": runs | echoes, "rivals": rivals}


def _stand(on: Stands, one: Once) -> Target:
    return on.bare if SCENARIOS[one.order.scenario].server == "bare" else on.safe


async def _play(stand: Target, one: Once, screen: Progress) -> Figures:
    figures = await counted(stand, one.order, screen)
    screen.ended(one.name, figures)
    return figures
