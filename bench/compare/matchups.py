"""What is compared: loads on our server, each with the rivals that it meets, and how each side is played."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

from bench.compare.rivals import redis_lua, sql_lock
from bench.load.generator_pool import BenchFailed
from bench.load.run import run
from bench.load.run_spec import RunSpec
from bench.load.target import Target
from bench.report.screen import Screen
from server.embedded.run import die_with

LAST_WORDS: Final = 300  # characters of what a rival said

VS_REDIS_LUA: Final = "opens_redis_tier_vs_redis_lua"
VS_LEAN: Final = "opens_redis_tier_vs_redis_lua_lean"  # stricter than what teams build: told, but no ratio to reach
VS_SQL_LOCK: Final = "opens_postgres_tier_vs_sql_lock"
HOT_VS_SQL_LOCK: Final = "hot_vs_sql_lock_hot"
VS_ECHO: Final = "grab_vs_echo"
SCENARIOS_USED: Final = ("opens", "hot", "grab")

Figures = dict[str, Any]  # of a run of ours (bench.report.figures) or of a rival (bench.compare.rivals.result)


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

    fast: Target  # tier redis
    safe: Target  # tier postgres
    bare: Target  # the ceiling
    redis_url: str = ""  # of the stores of `fast`, over TCP


Play = Callable[[Stands, Screen], Awaitable[Figures]]


class Rival(NamedTuple):
    """Whom a bout is against."""

    name: str
    pair: str  # what ours against this one is called; see RATIOS
    play: Play


class Matchup(NamedTuple):
    """One load on our server, and on those that it is compared with."""

    name: str  # of the run of ours
    setting: str
    play: Play
    rivals: Sequence[Rival]


def bouts(sizes: Sizes) -> list[Matchup]:
    """All of them."""
    return [
        _opens_on_redis(sizes, sizes.wide),
        _opens_on_redis(sizes, sizes.deep),
        Matchup(
            f"opens, tier postgres, {sizes.wide}",
            str(sizes.wide),
            _on("safe", "opens", sizes.wide, sizes.opens),
            [Rival("sql-lock", VS_SQL_LOCK, _sql_lock(sizes.sql_lock, "--callers", sizes.wide.connections))],
        ),
        Matchup(
            f"hot, {sizes.hot_users:,} users",
            f"{sizes.hot_users:,} users",
            _on("safe", "hot", Setting(sizes.hot_users, 1), sizes.hot_users * sizes.hot_rounds),
            [Rival("sql-lock", HOT_VS_SQL_LOCK, _sql_lock(sizes.sql_lock_hot, "--hot"))],
        ),
        Matchup(
            f"grab, {sizes.taps}",
            str(sizes.taps),
            _on("safe", "grab", sizes.taps, sizes.grabs),
            [Rival("echo", VS_ECHO, _on("bare", "echo", sizes.taps, sizes.grabs))],
        ),
    ]


def _opens_on_redis(sizes: Sizes, setting: Setting) -> Matchup:
    rivals = [
        Rival("redis-lua", VS_REDIS_LUA, _redis_lua("usual", setting, sizes.redis_lua)),
        Rival("redis-lua, lean script", VS_LEAN, _redis_lua("lean", setting, sizes.redis_lua)),
    ]
    play = _on("fast", "opens", setting, sizes.opens)
    return Matchup(f"opens, tier redis, {setting}", str(setting), play, rivals)


def _on(stand: Literal["fast", "safe", "bare"], scenario: str, setting: Setting, requests: int) -> Play:
    order = RunSpec(scenario, setting.connections, setting.depth, requests, warmup_s=0.0)
    return lambda stands, screen: counted(getattr(stands, stand), order, screen)


def _redis_lua(script: str, setting: Setting, claims: int) -> Play:
    words = ("--script", script, "--connections", setting.connections, "--depth", setting.depth, "--claims", claims)
    return lambda stands, _: program(redis_lua.__name__, "--url", stands.redis_url, *words)


def _sql_lock(claims: int, *more: object) -> Play:
    words = ("--claims", claims, *more)
    return lambda stands, _: program(sql_lock.__name__, "--dsn", stands.safe.dsn, *words)


async def counted(stand: Target, order: RunSpec, screen: Screen) -> Figures:
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
