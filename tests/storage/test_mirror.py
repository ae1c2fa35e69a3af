"""Calls to Redis whose caller was cancelled, and the end of the mirror."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest
from redis import asyncio as aioredis

from bench.chaos.proxy import Proxy
from storage.redis.mirror import Mirror


async def test_failed_call_of_a_cancelled_caller_logs_no_error(
    redis_proxy: tuple[Proxy, str], caplog: pytest.LogCaptureFixture
) -> None:
    proxy, url = redis_proxy
    gc.collect()  # what earlier tests left is not ours
    caplog.clear()
    mirror = Mirror(url, timeout_s=2.0)
    await mirror.forget([1])
    proxy.stall()
    call = asyncio.create_task(mirror.forget([1]))
    await asyncio.sleep(0.05)  # the call is in flight
    call.cancel()
    assert (await asyncio.gather(call, return_exceptions=True))[0].__class__ is asyncio.CancelledError
    await proxy.cut()
    await asyncio.sleep(0.05)
    gc.collect()  # asyncio reports unread exceptions at this moment
    await mirror.close()
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []


async def test_call_that_has_not_begun_when_the_mirror_closes_opens_no_connection(
    redis_url: str, redis: aioredis.Redis
) -> None:
    before = {one["id"] for one in await redis.client_list()}
    mirror = Mirror(redis_url, timeout_s=2.0)
    call = asyncio.create_task(mirror.forget([1]))
    await asyncio.sleep(0)
    call.cancel()
    await mirror.close()
    await asyncio.sleep(0.05)
    assert {one["id"] for one in await redis.client_list()} <= before
