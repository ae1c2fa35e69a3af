"""Ours against what people would pick: alternating in one go, on the same stores, with the same durability.

A bout is one load, put on our server and on one rival or two. Every round plays all bouts, one round ours first
and the next one theirs first, so that whatever changes on the machine meanwhile meets both. A ratio is that of
the two rates of one round; the median over the rounds counts, and the spread is told. Nothing warms up: all turns
of both sides count.

A rival finds the stores as our server uses them: both tiers have a server with stores of its own, which does
nothing, its settlement at rest, while a rival runs. Users of a rival come over TCP as ours do; the embedded
Valkey has no port, so it gets one for the time of the comparison.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from statistics import median
from typing import Any, Final, Literal, NamedTuple

from redis import asyncio as aioredis
from redis.exceptions import RedisError
from rich import box
from rich.console import Console
from rich.table import Table

from bench import ground, settlement
from bench.about import about
from bench.chart import number
from bench.document import must_of
from bench.fleet import BenchFailed
from bench.ground import Ground
from bench.job import Order
from bench.report import Screen
from bench.rivals import redis_lua, sql_lock
from bench.run import run
from bench.scenarios import SCENARIOS
from server.embedded.run import die_with
from server.loop import run as run_loop

ROUNDS: Final = 3
LAST_WORDS: Final = 300  # characters of what a rival said
LOOPBACK: Final = "127.0.0.1"

VS_REDIS_LUA: Final = "opens_redis_tier_vs_redis_lua"
VS_LEAN: Final = "opens_redis_tier_vs_redis_lua_lean"  # stricter than what teams build: told, but no ratio to reach
VS_SQL_LOCK: Final = "opens_postgres_tier_vs_sql_lock"
HOT_VS_SQL_LOCK: Final = "hot_vs_sql_lock_hot"
VS_ECHO: Final = "grab_vs_echo"
SCENARIOS_USED: Final = ("opens", "hot", "grab")
RATIOS: Final = (VS_REDIS_LUA, VS_SQL_LOCK, HOT_VS_SQL_LOCK, VS_ECHO)

Figures = dict[str, Any]  # of a run of ours (bench.figures) or of a rival (bench.rivals.result)


class Setting(NamedTuple):
    """How many users call, and how many calls each has under way."""

    connections: int
    depth: int

    def __str__(self) -> str:
        return f"{self.connections:,} × {self.depth}"


class Sizes(NamedTuple):
    """How much there is to do; a bout takes 5 to 8 seconds with these, stages and verdicts included."""

    wide: Setting = Setting(1_000, 1)
    deep: Setting = Setting(200, 8)
    opens: int = 100_000
    redis_lua: int = 100_000
    sql_lock: int = 6_000
    hot_users: int = 500
    hot_rounds: int = 10
    sql_lock_hot: int = 2_000
    taps: Setting = Setting(200, 1)
    grabs: int = 100_000


SIZES: Final = Sizes()


class Stands(NamedTuple):
    """What the bouts stand on."""

    fast: Ground  # tier redis
    safe: Ground  # tier postgres
    bare: Ground  # the ceiling
    redis_url: str = ""  # of the stores of `fast`, over TCP


Play = Callable[[Stands, Screen], Awaitable[Figures]]


class Rival(NamedTuple):
    """Whom a bout is against."""

    name: str
    pair: str  # what ours against this one is called; see RATIOS
    play: Play


class Bout(NamedTuple):
    """One load on our server, and on those that it is compared with."""

    name: str  # of the run of ours
    setting: str
    play: Play
    rivals: Sequence[Rival]


class Heat(NamedTuple):
    """One run of a comparison; `rival` is None for ours."""

    round: int
    bout: Bout
    rival: Rival | None


class Pair(NamedTuple):
    """What one bout came to against one rival; lists and ratios by round."""

    name: str
    setting: str
    run: str  # the name of the run of ours
    rival: str
    ours: list[int]
    theirs: list[int]
    ratio: float
    low: float
    high: float


class Comparison:
    """What all runs measured: by the name of the bout, and of the bout and the rival."""

    def __init__(self, bouts: Sequence[Bout]) -> None:
        self.bouts = bouts
        self.ours: dict[str, list[Figures]] = {}
        self.theirs: dict[tuple[str, str], list[Figures]] = {}

    def note(self, heat: Heat, figures: Figures) -> None:
        """One run has ended."""
        if heat.rival is None:
            self.ours.setdefault(heat.bout.name, []).append(figures)
        else:
            self.theirs.setdefault((heat.bout.name, heat.rival.name), []).append(figures)

    def theirs_by_name(self) -> dict[str, list[Figures]]:
        """What the rivals did, each with its setting."""
        return {
            f"{rival.name}, {bout.setting}": self.theirs[bout.name, rival.name]
            for bout in self.bouts
            for rival in bout.rivals
        }

    def pairs(self) -> list[Pair]:
        """Every bout against each of its rivals."""
        return [
            pair_of(
                rival.pair,
                bout.setting,
                bout.name,
                rival.name,
                [figures["rate_per_s"] for figures in self.ours[bout.name]],
                [figures["rate_per_s"] for figures in self.theirs[bout.name, rival.name]],
            )
            for bout in self.bouts
            for rival in bout.rivals
        ]


class Progress(Screen):
    """A line for each run that has ended; of what generators say nothing."""

    def __init__(self, console: Console, runs: int) -> None:
        super().__init__(console)
        self._runs = runs
        self._ended = 0

    def say(self, text: str) -> None:
        """Too much for so many runs."""

    def ended(self, what: str, figures: Figures) -> None:
        """One run more."""
        self._ended += 1
        rate = f"{figures['rate_per_s']:,}/s" if figures["rate_per_s"] else "done"
        errors = ", ".join(f"{count:,} {name}" for name, count in figures.get("errors", {}).items())
        super().say(f"run {self._ended:2} of {self._runs}  {what}: {rate}{errors and f'  ({errors})'}")


# --- what is compared -----------------------------------------------------------------------------------------


def bouts(sizes: Sizes) -> list[Bout]:
    """All of them."""
    return [
        _opens_on_redis(sizes, sizes.wide),
        _opens_on_redis(sizes, sizes.deep),
        Bout(
            f"opens, tier postgres, {sizes.wide}",
            str(sizes.wide),
            _on("safe", "opens", sizes.wide, sizes.opens),
            [Rival("sql-lock", VS_SQL_LOCK, _sql_lock(sizes.sql_lock, "--callers", sizes.wide.connections))],
        ),
        Bout(
            f"hot, {sizes.hot_users:,} users",
            f"{sizes.hot_users:,} users",
            _on("safe", "hot", Setting(sizes.hot_users, 1), sizes.hot_users * sizes.hot_rounds),
            [Rival("sql-lock", HOT_VS_SQL_LOCK, _sql_lock(sizes.sql_lock_hot, "--hot"))],
        ),
        Bout(
            f"grab, {sizes.taps}",
            str(sizes.taps),
            _on("safe", "grab", sizes.taps, sizes.grabs),
            [Rival("echo", VS_ECHO, _on("bare", "echo", sizes.taps, sizes.grabs))],
        ),
    ]


def _opens_on_redis(sizes: Sizes, setting: Setting) -> Bout:
    rivals = [
        Rival("redis-lua", VS_REDIS_LUA, _redis_lua("usual", setting, sizes.redis_lua)),
        Rival("redis-lua, lean script", VS_LEAN, _redis_lua("lean", setting, sizes.redis_lua)),
    ]
    play = _on("fast", "opens", setting, sizes.opens)
    return Bout(f"opens, tier redis, {setting}", str(setting), play, rivals)


def _on(stand: Literal["fast", "safe", "bare"], scenario: str, setting: Setting, requests: int) -> Play:
    order = Order(scenario, setting.connections, setting.depth, requests, warmup_s=0.0)
    return lambda stands, screen: counted(getattr(stands, stand), order, screen)


def _redis_lua(script: str, setting: Setting, claims: int) -> Play:
    words = ("--script", script, "--connections", setting.connections, "--depth", setting.depth, "--claims", claims)
    return lambda stands, _: program(redis_lua.__name__, "--url", stands.redis_url, *words)


def _sql_lock(claims: int, *more: object) -> Play:
    words = ("--claims", claims, *more)
    return lambda stands, _: program(sql_lock.__name__, "--dsn", stands.safe.dsn, *words)


async def counted(stand: Ground, order: Order, screen: Screen) -> Figures:
    """A run of ours that counts. Raises BenchFailed if its money verdict is void."""
    figures = await run(stand, order, screen)
    if not figures["valid"]:
        raise BenchFailed(f"void: in a run of {order.scenario} the books contradict what users were told")
    return figures


async def program(module: str, *words: object) -> Figures:
    """A rival as a process of its own, to its end. Raises BenchFailed with its last line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *map(str, words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,  # a Ctrl-C in the terminal is for us
        preexec_fn=die_with(os.getpid(), signal.SIGKILL),
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        said = err.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
        raise BenchFailed(f"the rival {module.rpartition('.')[2]} failed: {said[-1][:LAST_WORDS]}")
    figures: Figures = json.loads(out)
    return figures


# --- how it is played -----------------------------------------------------------------------------------------


def heats(table: Sequence[Bout], rounds: int) -> Iterator[Heat]:
    """All runs in their order: ours first, in the next round theirs first."""
    for number_of_round in range(1, rounds + 1):
        for bout in table:
            sides: list[Rival | None] = [None, *bout.rivals]
            for side in sides if number_of_round % 2 else reversed(sides):
                yield Heat(number_of_round, bout, side)


@contextmanager
def stands(limits: Mapping[str, float], say: Callable[[str], None]) -> Iterator[Stands]:
    """A server for each tier with stores of its own, and the bare one. Raises ServerFailed, EmbeddedError."""
    with (
        ground.own("redis", limits, say) as fast,
        ground.own("postgres", limits, lambda _: None) as safe,  # its config is the same
        ground.ceiling() as bare,
    ):
        yield Stands(fast, safe, bare)


def limits_of(scenarios: Iterable[str]) -> dict[str, float]:
    """What a server needs that all of these run on."""
    limits: dict[str, float] = {}
    for scenario in scenarios:
        for name, value in SCENARIOS[scenario].limits.items():
            limits[name] = max(value, limits.get(name, value))
    return limits


async def compare(on: Stands, rounds: int, sizes: Sizes, screen: Progress) -> Comparison:
    """Play it all. Raises BenchFailed, ServerFailed, StoreUnavailable."""
    found = Comparison(bouts(sizes))
    async with on_tcp(on.fast.redis_url) as redis_url:
        for heat in heats(found.bouts, rounds):
            await _rest(on)
            who = heat.bout if heat.rival is None else heat.rival
            figures = await who.play(on._replace(redis_url=redis_url), screen)
            whose = f"{heat.bout.name}, {'ours' if heat.rival is None else heat.rival.name}"
            screen.ended(f"round {heat.round}  {whose}", figures)
            if not figures["rate_per_s"]:
                raise BenchFailed(f"{whose}: nothing was measured")
            found.note(heat, figures)
    return found


async def _rest(on: Stands) -> None:
    """No server has anything left to do. Raises BenchFailed."""
    for stand in (on.fast, on.safe):
        await settlement.drained(stand.status)
        state = await settlement.state(stand.status)
        if state is None or state.backlog:
            raise BenchFailed(f"settlement of tier {stand.durability} does not come to an end")


@asynccontextmanager
async def on_tcp(url: str) -> AsyncIterator[str]:
    """Valkey listens on loopback as well. Raises BenchFailed."""
    try:
        async with aioredis.Redis.from_url(url) as redis:
            port = _free_port()
            await redis.config_set("bind", LOOPBACK)
            await redis.config_set("port", port)
            try:
                yield f"redis://{LOOPBACK}:{port}"
            finally:
                await redis.config_set("port", 0)
    except RedisError as error:
        raise BenchFailed(f"Redis: {error}") from error


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def runs_of(rounds: int, sizes: Sizes) -> int:
    """How many runs there will be."""
    return sum(1 for _ in heats(bouts(sizes), rounds))


def measure(rounds: int, console: Console, sizes: Sizes = SIZES) -> dict[str, Any]:
    """The whole comparison, on stands of its own that are gone afterwards. Raises as `stands` and `compare` do."""
    screen = Progress(console, runs_of(rounds, sizes))
    with stands(limits_of(SCENARIOS_USED), Screen(console).say) as on:
        return run_loop(_measured(on, rounds, sizes, screen))


async def _measured(on: Stands, rounds: int, sizes: Sizes, screen: Progress) -> dict[str, Any]:
    found = await compare(on, rounds, sizes, screen)
    return document(found.pairs(), rounds, await about(on.fast))


# --- what it comes to -----------------------------------------------------------------------------------------


def pair_of(name: str, setting: str, run_name: str, rival: str, ours: list[int], theirs: list[int]) -> Pair:
    """Rates by round, as ratios by round."""
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    low, middle, high = (round(value, 3) for value in (min(ratios), median(ratios), max(ratios)))
    return Pair(name, setting, run_name, rival, ours, theirs, middle, low, high)


def document(pairs: Sequence[Pair], rounds: int, what: dict[str, Any]) -> dict[str, Any]:
    """As JSON. Where a ratio was measured in several settings, the lowest is the one that counts."""
    lowest = {name: min((pair for pair in pairs if pair.name == name), key=_ratio) for name in RATIOS}
    return {
        "ratios": {name: pair.ratio for name, pair in lowest.items()},
        "spread": {name: {"low": pair.low, "high": pair.high} for name, pair in lowest.items()},
        "pairs": [pair._asdict() for pair in pairs],
        "rounds": rounds,
        "about": what,
    }


def _ratio(pair: Pair) -> float:
    return pair.ratio


def show(console: Console, told: Mapping[str, Any]) -> None:
    """The table for people."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("ours", "rival"):
        table.add_column(title)
    for title in ("ours/s", "theirs/s", "ratio", "(min–max)", "must"):
        table.add_column(title, justify="right")
    for pair in told["pairs"]:
        must = must_of(pair["name"])
        table.add_row(
            pair["run"],
            pair["rival"],
            f"{median(pair['ours']):,.0f}",
            f"{median(pair['theirs']):,.0f}",
            number(pair["ratio"]),
            f"({number(pair['low'])}–{number(pair['high'])})",
            "–" if must is None else number(must),
        )
    console.print(table, highlight=False)
