"""The screens of a server with several workers: they agree on a store that is sick, and name the cause."""

from __future__ import annotations

import asyncio

import pytest
from redis import asyncio as aioredis

from bench.chaos.freezing import frozen
from bench.chaos.supervisor import free_port
from bench.load.usage import find_pids
from server import embedded
from tests.outages.screens import all_say_up, disagreeing, screens
from tests.services.conftest import until
from tests.workers.conftest import StartWorkers

STEADY_S = 2.5


@pytest.mark.parametrize("durability", ["redis", pytest.param("postgres", marks=pytest.mark.long)])
async def test_screens_of_several_workers_agree_on_a_sick_store(workers: StartWorkers, durability: str) -> None:
    port = free_port()
    server = workers(2, "--durability", durability, HONGBAO_OPS__HTTP=f"127.0.0.1:{port}")
    stores = embedded.running(server.data)
    assert stores is not None

    async def wrong(store: str, cause: str) -> list[str]:
        is_needed = store in ("postgres", durability)
        return disagreeing((await screens(server.data, port))[store], cause, is_needed=is_needed)

    async def are_up() -> bool:
        try:
            return all(map(all_say_up, (await screens(server.data, port)).values()))
        except KeyError:
            return False  # the supervisor has not asked a worker yet

    async def redis_is_known() -> bool:
        return not await wrong("redis", "'maxmemory'")

    async def postgres_is_known() -> bool:
        return not await wrong("postgres", "no answer")

    await until(are_up)
    async with aioredis.Redis.from_url(stores.redis_url) as redis:
        await redis.config_set("maxmemory", 1)
        await until(redis_is_known)
        await asyncio.sleep(STEADY_S)
        assert await wrong("redis", "'maxmemory'") == []  # it does not alternate
        await redis.config_set("maxmemory", 0)
    await until(are_up)
    with frozen(find_pids(server.data, server.pid).postgres):
        await until(postgres_is_known)
    await until(are_up)
