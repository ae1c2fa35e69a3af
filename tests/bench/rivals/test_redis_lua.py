"""The rival on Redis: every share is won once, and it reports its rate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from redis import asyncio as aioredis

from bench.compare.rivals import redis_lua
from bench.compare.rivals.result import InvalidRun
from tests.bench.rivals.conftest import FIGURES, PERCENTILES, Program

BOTH = pytest.mark.parametrize("script", ["usual", "lean"])


class Packet:
    """A packet, to call a script directly."""

    def __init__(self, redis: aioredis.Redis, script: str) -> None:
        row = redis_lua.SCRIPTS[script]
        self._redis = redis
        self._text = Path(redis_lua.__file__).with_name(row.file).read_text()
        self._keys = [key.format(7) for key in row.keys]

    async def send(self, total_fen: int, shares: int) -> None:
        """Create it."""
        await self._redis.delete(*self._keys)
        await self._redis.hset(self._keys[0], mapping={"left_fen": total_fen, "left_shares": shares})

    async def open(self, user_id: int, seed: int = 1) -> int:
        """The answer of the script."""
        return int(await self._redis.eval(self._text, len(self._keys), *self._keys, user_id, seed))


@BOTH
async def test_every_share_is_won_once_and_all_keys_are_removed(
    redis_url: str, redis: aioredis.Redis, script: str
) -> None:
    found = await redis_lua.run(redis_url, connections=30, depth=3, claims=190, script=script)
    assert (found.connections, found.depth, found.claims, found.answers) == (40, 3, 200, {"won": 200})
    assert found.rate_per_s > 0
    assert found.latency_ms["p50"] <= found.latency_ms["max"]
    assert found.extra == {"script": script, "appendfsync": "always"}
    assert await redis.keys() == [b"rival:last_packet"]


@BOTH
async def test_each_user_wins_one_share_until_none_is_left(redis: aioredis.Redis, script: str) -> None:
    packet = Packet(redis, script)
    await packet.send(total_fen=1_000, shares=3)
    won = [await packet.open(user_id, seed=user_id * 7_919) for user_id in (1, 2)]
    assert await packet.open(1) == -1
    won.append(await packet.open(3))
    assert sum(won) == 1_000
    assert [await packet.open(user_id) for user_id in (3, 4)] == [-1, 0]


@BOTH
async def test_every_share_has_at_least_one_fen(redis: aioredis.Redis, script: str) -> None:
    packet = Packet(redis, script)
    for total_fen in range(10, 25):
        await packet.send(total_fen, shares=10)
        won = [await packet.open(user_id, seed=total_fen * 100 + user_id) for user_id in range(10)]
        assert (min(won) >= 1, sum(won)) == (True, total_fen)


async def test_redis_without_appendfsync_always_is_refused(redis_url: str, redis: aioredis.Redis) -> None:
    await redis.config_set("appendfsync", "everysec")
    try:
        with pytest.raises(InvalidRun, match="appendfsync always"):
            await redis_lua.run(redis_url, connections=20, depth=1, claims=20)
    finally:
        await redis.config_set("appendfsync", "always")


async def test_redis_with_too_few_connections_is_refused(redis_url: str) -> None:
    with pytest.raises(InvalidRun, match="the run needs 100001"):
        await redis_lua.run(redis_url, connections=100_000, depth=1, claims=1)


async def test_program_prints_its_figures(redis_url: str, program: Program) -> None:
    code, out, err = await program("redis_lua", "--url", redis_url, "--connections", "20", "--claims", "100")
    assert (code, err) == (0, "")
    figures = json.loads(out)
    assert set(figures) == FIGURES
    assert list(figures["latency_ms"]) == PERCENTILES
    assert (figures["rival"], figures["claims"], figures["depth"]) == ("redis-lua", 100, 1)


async def test_program_without_redis_ends_with_one_line(tmp_path: Path, program: Program) -> None:
    code, out, err = await program("redis_lua", "--url", f"unix://{tmp_path}/none.sock")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("InvalidRun: Redis: ")
