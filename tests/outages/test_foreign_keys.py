"""Keys of another program under our prefix in Redis: a line in the log, and opens go on."""

from __future__ import annotations

import pytest
from redis import asyncio as aioredis
from structlog.testing import capture_logs

from server.services.packets import sweep
from tests.conftest import StartServer
from tests.services.conftest import MakeParty, until


async def test_foreign_redis_keys_are_logged_once_and_end_nothing(
    start_server: StartServer, party: MakeParty, redis: aioredis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start and while the server runs, under the name of no packet and under that of an open one."""
    monkeypatch.setattr(sweep, "INTERVAL_S", 0.02)
    monkeypatch.setattr(sweep, "ORPHANS_EVERY", 1)
    await redis.hset("hongbao:packet:settings", "a", "b")
    await redis.lpush(f"hongbao:packet:{'9' * 30}", "c")
    with capture_logs() as events:
        room = await party(await start_server(), 3)
        first, second = await room.lucky(1_000, 3), await room.lucky(1_000, 3)
        await redis.hset(f"hongbao:packet:{first}", "a", "b")
        assert {one.answer for one in await room.all_open(first)} == {"won"}
        await room.guests[0].open(second)
        await redis.delete(f"hongbao:packet:{second}")
        await redis.lpush(f"hongbao:packet:{second}", "c")
        assert {one.answer for one in await room.all_open(second)} == {"won", "claimed"}
        await redis.hset("hongbao:packet:later", "a", "b")

        async def all_told() -> bool:
            return sum(event["event"] == "redis_key_of_another_program" for event in events) == 3

        await until(all_told)
    assert "redis_is_away" not in {event["event"] for event in events}
    assert await redis.exists("hongbao:packet:settings", "hongbao:packet:later") == 2
