"""A packet expires while the mirror, which is away, holds a claim that the record lacks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from client_sim.sdk.errors import Refusal
from tests.conftest import DAY_MS, Connect, StartServer, Turn
from tests.services.conftest import MakeParty, Record, until


async def test_expired_is_not_said_while_the_mirror_may_hold_a_claim(
    start_server: StartServer,
    connect: Connect,
    party: MakeParty,
    record: Record,
    redis: Any,
    postgres_proxy: Any,
    redis_proxy: Any,
    turn_clock: Turn,
) -> None:
    (to_postgres, dsn), (to_redis, url) = postgres_proxy, redis_proxy
    options = {
        "stores__postgres": dsn,
        "stores__redis": url,
        "refunds__interval_s": 60.0,  # none before the open
    }
    room = await party(await start_server(**options), 1, timeout_s=1.0)
    packet_id = await room.lucky(1_000, 2)
    to_postgres.stall()
    opening = asyncio.create_task(room.guests[0].open(packet_id))

    async def mirrored() -> bool:
        return bool(await redis.strlen(f"hongbao:packet:{packet_id}") > 1)

    await until(mirrored)
    await room.server.kill()  # the claim is in the mirror alone
    opening.cancel()
    to_postgres.flow()
    await to_postgres.cut()
    await to_postgres.heal()
    await to_redis.cut()
    guest = await connect(await start_server(**options), 2)
    turn_clock(DAY_MS)
    with pytest.raises(Refusal, match="store_unavailable"):
        await guest.open(packet_id, patience_s=0)
    await to_redis.heal()

    async def known() -> bool:
        try:
            return (await guest.open(packet_id, patience_s=0)).answer == "claimed"
        except Refusal:
            return False

    await until(known)
    assert len(await record(packet_id)) == 1
