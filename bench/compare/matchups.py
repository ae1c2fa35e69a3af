"""The table of comparisons: a load on our server, its rivals, and how each side is run."""

from __future__ import annotations

import json
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

from bench.compare.rivals import redis_lua, redis_service, sql_lock
from bench.compare.rivals.result import InvalidRun
from bench.load.generator_pool import BenchFailed, last_line, start_module
from bench.load.run import run
from bench.load.run_spec import RunSpec
from bench.load.target import Target
from bench.report.screen import Screen

# Keys of the ratios in JSON; "tier" is the durability.
VS_REDIS_LUA: Final = "opens_redis_tier_vs_redis_lua"
VS_LEAN: Final = "opens_redis_tier_vs_redis_lua_lean"  # stricter than the script that teams write: no target
VS_SERVICE: Final = "opens_redis_tier_vs_redis_service"
VS_LEAN_SERVICE: Final = "opens_redis_tier_vs_redis_service_lean"
VS_SQL_LOCK: Final = "opens_postgres_tier_vs_sql_lock"
HOT_VS_SQL_LOCK: Final = "hot_vs_sql_lock_hot"
VS_ECHO: Final = "grab_vs_echo"
VS_TCP: Final = "websocket_vs_tcp"

Figures = dict[str, Any]  # of a run of ours (bench.report.figures) or of a rival (bench.compare.rivals.result)


class Setting(NamedTuple):
    """Users, and the requests that each has in flight."""

    connections: int
    depth: int

    def __str__(self) -> str:
        return f"{self.connections:,} × {self.depth}"


WIDE: Final = Setting(1_000, 1)
DEEP: Final = Setting(200, 8)
NARROW: Final = Setting(200, 1)


class Stands(NamedTuple):
    """The servers that all comparisons use."""

    fast: Target  # durability redis
    safe: Target  # durability postgres
    bare: Target  # the upper bound
    usual_service: Target  # a rival in front of the Redis of `fast`
    lean_service: Target
    redis_url: str = ""  # of the stores of `fast`, over TCP


Play = Callable[[Stands, Screen], Awaitable[Figures]]


class Rival(NamedTuple):
    name: str
    ratio: str  # key of the ratio of ours to this one
    play: Play


class Matchup(NamedTuple):
    """One load on our server and on its rivals."""

    name: str  # of our run
    setting: str
    play: Play
    rivals: Sequence[Rival]


def ours(stand: Literal["fast", "safe", "bare"], scenario: str, setting: Setting, requests: int) -> Play:
    """A closed loop without a warm-up on one of the stands."""
    run_spec = RunSpec(scenario, setting.connections, setting.depth, requests, warmup_s=0.0)
    return lambda stands, screen: valid_run(getattr(stands, stand), run_spec, screen)


def service(client: redis_service.Client, setting: Setting, requests: int) -> Play:
    """The same closed loop on a service in front of Redis, whose claims are proved afterwards."""
    run_spec = RunSpec("opens", setting.connections, setting.depth, requests, warmup_s=0.0)

    async def play(stands: Stands, screen: Screen) -> Figures:
        figures = await valid_run(getattr(stands, f"{client}_service"), run_spec, screen)
        try:
            await redis_service.prove(stands.redis_url, client, figures["answers"].get("won", 0))
        except InvalidRun as error:
            raise BenchFailed(f"the service in front of Redis, {client}: {error}") from None
        return figures

    return play


def opens_with_redis(setting: Setting, opens: int, claims: int) -> Matchup:

    def redis_lua_with(script: str) -> Play:
        words = ("--script", script, "--connections", setting.connections, "--depth", setting.depth)
        return lambda stands, _: run_rival(redis_lua, "--url", stands.redis_url, *words, "--claims", claims)

    rivals = (
        Rival("redis-service", VS_SERVICE, service("usual", setting, opens)),
        Rival("redis-service-lean", VS_LEAN_SERVICE, service("lean", setting, opens)),
        Rival("redis-lua", VS_REDIS_LUA, redis_lua_with("usual")),
        Rival("redis-lua, lean script", VS_LEAN, redis_lua_with("lean")),
    )
    play = ours("fast", "opens", setting, opens)
    return Matchup(f"opens, durability redis, {setting}", str(setting), play, rivals)


def opens_with_postgres(setting: Setting, opens: int, claims: int) -> Matchup:
    rival = Rival("sql-lock", VS_SQL_LOCK, _sql_lock(claims, "--callers", setting.connections))
    play = ours("safe", "opens", setting, opens)
    return Matchup(f"opens, durability postgres, {setting}", str(setting), play, [rival])


def hot(users: int, rounds: int, claims: int) -> Matchup:
    rival = Rival("sql-lock", HOT_VS_SQL_LOCK, _sql_lock(claims, "--hot"))
    play = ours("safe", "hot", Setting(users, 1), users * rounds)
    return Matchup(f"hot, {users:,} users", f"{users:,} users", play, [rival])


def grab(setting: Setting, requests: int) -> Matchup:
    rival = Rival("echo", VS_ECHO, ours("bare", "echo", setting, requests))
    return Matchup(f"grab, {setting}", str(setting), ours("safe", "grab", setting, requests), [rival])


def websocket(setting: Setting, requests: int) -> Matchup:
    """The same grabs at the same server over WebSocket and over TCP."""
    rival = Rival("TCP", VS_TCP, ours("safe", "grab", setting, requests))
    play = ours("safe", "grab-websocket", setting, requests)
    return Matchup(f"grab over WebSocket, {setting}", str(setting), play, [rival])


def _sql_lock(claims: int, *more: object) -> Play:
    return lambda stands, _: run_rival(sql_lock, "--dsn", stands.safe.dsn, "--claims", claims, *more)


# Each run takes 5 to 8 seconds, preparation and verdict included.
MATCHUPS: Final = (
    opens_with_redis(WIDE, opens=100_000, claims=100_000),
    opens_with_redis(DEEP, opens=100_000, claims=100_000),
    opens_with_postgres(WIDE, opens=100_000, claims=6_000),
    hot(users=500, rounds=10, claims=2_000),
    grab(NARROW, requests=100_000),
    websocket(NARROW, requests=100_000),
)


async def valid_run(target: Target, run_spec: RunSpec, screen: Screen) -> Figures:
    """A run of ours. Raises BenchFailed if its money verdict does not hold."""
    figures = await run(target, run_spec, screen)
    if not figures["valid"]:
        raise BenchFailed(f"invalid: in a run of {run_spec.scenario} the books contradict what users were told")
    return figures


async def run_rival(rival: Any, *words: object) -> Figures:
    """A rival's module as a process, until its end. Raises BenchFailed with its last line."""
    process = await start_module(rival.__name__, *words, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        message = last_line(err, f"exit code {process.returncode}")
        raise BenchFailed(f"the rival {rival.__name__.rpartition('.')[2]} failed: {message}")
    figures: Figures = json.loads(out)
    return figures
