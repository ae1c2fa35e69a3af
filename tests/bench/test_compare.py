"""The comparison: the order of its runs, its ratios, and a small one on real servers."""

from __future__ import annotations

import io
from typing import Any

import pytest
from redis import asyncio as aioredis
from redis.exceptions import ConnectionError as RedisConnectionError
from rich.console import Console

from bench.compare import compare, matchups, suite
from bench.compare.compare import Pair, pair_of, trials
from bench.compare.matchups import (
    Matchup,
    Rival,
    Setting,
    grab,
    hot,
    opens_with_postgres,
    opens_with_redis,
    websocket,
)
from bench.compare.rivals import redis_lua
from bench.compare.targets import RATIOS
from bench.load.generator_pool import BenchFailed
from bench.load.run_spec import RunSpec
from bench.load.target import Target
from bench.report.screen import Screen
from server.cli.main import main
from server.loop import run as run_loop

TINY = (
    opens_with_redis(Setting(40, 1), opens=200, claims=200),
    opens_with_redis(Setting(20, 4), opens=200, claims=200),
    opens_with_postgres(Setting(40, 1), opens=200, claims=40),
    hot(users=40, rounds=1, claims=1),
    grab(Setting(20, 1), requests=200),
    websocket(Setting(20, 1), requests=200),
)


async def nothing(*_: object) -> dict[str, Any]:
    """No run."""
    return {}


def test_trials_change_the_first_side_with_each_round() -> None:
    usual, lean, sql = (Rival(name, "pair", nothing) for name in ("usual", "lean", "sql"))
    table = [Matchup("fast", "1 × 1", nothing, [usual, lean]), Matchup("safe", "1 × 1", nothing, [sql])]
    order = [(one.round, *one.key) for one in trials(table, 2)]
    assert order == [
        (1, "fast", "ours"),
        (1, "fast", "usual"),
        (1, "fast", "lean"),
        (1, "safe", "ours"),
        (1, "safe", "sql"),
        (2, "fast", "lean"),
        (2, "fast", "usual"),
        (2, "fast", "ours"),
        (2, "safe", "sql"),
        (2, "safe", "ours"),
    ]


def test_ratio_is_the_median_of_the_rounds() -> None:
    pair = pair_of("grab_vs_echo", "200 × 1", "grab", "echo", ours=[900, 400, 1_500], theirs=[1_000, 1_000, 1_500])
    assert (pair.ratio, pair.low, pair.high) == (0.9, 0.4, 1.0)
    assert pair_of("x", "", "", "", [300, 500], [200, 200])[6:] == (2.0, 1.5, 2.5)


def pair(name: str, setting: str, ratio: float) -> Pair:
    """A pair with this ratio."""
    return Pair(name, setting, f"run {setting}", "rival", [10], [20], ratio, ratio - 0.25, ratio + 0.25)


def test_ratio_of_several_settings_is_the_lowest() -> None:
    pairs = [
        pair("opens_redis_tier_vs_redis_service", "1,000 × 1", 3.5),
        pair("opens_redis_tier_vs_redis_service_lean", "1,000 × 1", 0.75),
        pair("opens_redis_tier_vs_redis_lua", "1,000 × 1", 2.0),
        pair("opens_redis_tier_vs_redis_lua_lean", "1,000 × 1", 0.5),
        pair("opens_redis_tier_vs_redis_lua", "200 × 8", 1.5),
        pair("opens_postgres_tier_vs_sql_lock", "1,000 × 1", 9.0),
        pair("hot_vs_sql_lock_hot", "500 users", 40.0),
        pair("grab_vs_echo", "200 × 1", 0.875),
        pair("websocket_vs_tcp", "200 × 1", 0.75),
    ]
    told = compare.document(pairs, 3, {"commit": "abc1234"})
    assert list(told) == ["ratios", "spread", "pairs", "rounds", "about"]
    assert told["ratios"] == {
        "opens_redis_tier_vs_redis_service": 3.5,
        "opens_redis_tier_vs_redis_service_lean": 0.75,
        "opens_redis_tier_vs_redis_lua": 1.5,
        "opens_postgres_tier_vs_sql_lock": 9.0,
        "hot_vs_sql_lock_hot": 40.0,
        "grab_vs_echo": 0.875,
        "websocket_vs_tcp": 0.75,
    }
    assert told["spread"]["opens_redis_tier_vs_redis_lua"] == {"low": 1.25, "high": 1.75}
    assert told["pairs"][3] == {
        "name": "opens_redis_tier_vs_redis_lua_lean",
        "setting": "1,000 × 1",
        "run": "run 1,000 × 1",
        "rival": "rival",
        "ours": [10],
        "theirs": [20],
        "ratio": 0.5,
        "low": 0.25,
        "high": 0.75,
    }
    assert (told["rounds"], told["about"]) == (3, {"commit": "abc1234"})


async def test_invalid_run_ends_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    async def invalid(*_: object) -> dict[str, Any]:
        return {"valid": False}

    monkeypatch.setattr(matchups, "run", invalid)
    with pytest.raises(BenchFailed, match=r"^invalid: in a run of opens the books contradict"):
        await matchups.valid_run(Target("", "redis"), RunSpec("opens", 1), Screen(Console()))


async def test_failed_rival_fails_with_one_line() -> None:
    with pytest.raises(BenchFailed, match=r"^the rival redis_lua failed: .*No such file or directory\.?$"):
        await matchups.run_rival(redis_lua, "--url", "unix:///no/such.sock")


async def test_valkey_has_a_tcp_port_only_during_the_comparison(redis_url: str) -> None:
    async with compare.valkey_on_tcp(redis_url) as url:
        assert url.startswith("redis://127.0.0.1:")
        async with aioredis.Redis.from_url(url) as redis:
            assert await redis.ping()
    async with aioredis.Redis.from_url(url) as redis:
        with pytest.raises(RedisConnectionError):
            await redis.ping()


@pytest.mark.long
def test_comparison_of_one_pair_measures_both_sides() -> None:
    matchup = grab(Setting(20, 1), requests=200)
    screen = io.StringIO()
    lines = compare.ComparisonScreen(Console(file=screen, width=160), 2)
    with compare.start_stands(lambda _: None) as stands:
        results = run_loop(compare.compare(stands, 1, [matchup], lines))
    (pair,) = compare.pairs_of([matchup], results)
    assert (pair.name, pair.run, pair.rival) == ("grab_vs_echo", "grab, 20 × 1", "echo")
    assert (len(pair.ours), len(pair.theirs)) == (1, 1)
    assert 0 < pair.low == pair.ratio == pair.high
    assert [line.partition(":")[0] for line in screen.getvalue().splitlines()] == [
        "run  1 of 2  round 1  grab, 20 × 1, ours",
        "run  2 of 2  round 1  grab, 20 × 1, echo",
    ]


@pytest.mark.long
def test_tiny_comparison_measures_all_pairs() -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=160)
    told = compare.measure(1, console, TINY)
    compare.show(console, told)
    assert set(told["ratios"]) == set(RATIOS)
    assert all(ratio > 0 for ratio in told["ratios"].values())
    assert [(one["run"], one["rival"]) for one in told["pairs"]] == [
        ("opens, durability redis, 40 × 1", "redis-service"),
        ("opens, durability redis, 40 × 1", "redis-service-lean"),
        ("opens, durability redis, 40 × 1", "redis-lua"),
        ("opens, durability redis, 40 × 1", "redis-lua, lean script"),
        ("opens, durability redis, 20 × 4", "redis-service"),
        ("opens, durability redis, 20 × 4", "redis-service-lean"),
        ("opens, durability redis, 20 × 4", "redis-lua"),
        ("opens, durability redis, 20 × 4", "redis-lua, lean script"),
        ("opens, durability postgres, 40 × 1", "sql-lock"),
        ("hot, 40 users", "sql-lock"),
        ("grab, 20 × 1", "echo"),
        ("grab over WebSocket, 20 × 1", "TCP"),
    ]
    assert all(len(one["ours"]) == len(one["theirs"]) == 1 for one in told["pairs"])
    assert all(one["low"] <= one["ratio"] <= one["high"] for one in told["pairs"])
    assert told["about"]["redis"].startswith("Valkey ")
    lines = screen.getvalue().splitlines()
    assert lines[0] == "config of this run:"
    progress = [line for line in lines if line.startswith("run ")]
    assert (len(progress), progress[0].partition(": ")[0]) == (
        18,
        "run  1 of 18  round 1  opens, durability redis, 40 × 1, ours",
    )
    assert progress[-1].startswith("run 18 of 18  round 1  grab over WebSocket, 20 × 1, TCP: ")
    assert "required" in screen.getvalue()


def test_suite_runs_every_other_scenario_once() -> None:
    assert {name: (one.connections, one.depth, one.requests) for name, one in suite.RUNS.items()} == {
        "echo, 1,000 × 1": (1_000, 1, 60_000),
        "echo, 200 × 8": (200, 8, 60_000),
        "opens, durability postgres, 200 × 8": (200, 8, 100_000),
        "send": (200, 8, 30_000),
        "login": (10_000, 256, 30_000),
        "push": (2_000, 4, 150),
        "hot, 5,000 users": (5_000, 1, 25_000),
        "day": (1_000, 0, 0),
        "open, closed loop": (1_000, 1, 30_000),
    }
    assert (suite.RUNS["day"].rate_per_s, suite.RUNS["day"].seconds) == (2_000, 5.0)
    alone = {name: (one.connections, one.requests, one.rate_per_s) for name, one in suite.ALONE.items()}
    assert alone == {
        "idle": (10_000, 0, 0),
        "idle-websocket": (10_000, 0, 0),
        "http-open": (100, 30_000, 0),
        "http-send": (100, 20_000, 0),
        "webhooks": (100, 0, 250),
    }
    half = suite.half_of({"rate_per_s": 19_001, "connections": 1_000})
    assert (half.scenario, half.is_open, half.rate_per_s, half.operations) == ("open", True, 9_500.0, 57_000)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("compare", "--json", "no/such/folder.json"), "there is no folder for no/such/folder.json"),
        (("short", "--write", "no/such/page.md"), "there is no folder for no/such/page.md"),
    ],
)
def test_wrong_arguments_print_one_line(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *words])
    assert (ended.value.code, capsys.readouterr()) == (1, ("", f"hongbao: {message}\n"))
