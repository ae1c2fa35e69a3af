"""One Redis behind Sentinels, with passwords for both: its master is killed, the replica is promoted and found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from client_sim.sdk.errors import Refusal
from storage.errors import StoreRefused
from tests.conftest import SEED_KEYS, StartServer
from tests.outages.crowd import compare_with_books, start_crowd, until_more_claims
from tests.redis.nodes import wait_for
from tests.redis.sentinels import watched_by_sentinels
from tests.services.conftest import MakeParty

BooksBalance = Callable[[], Awaitable[None]]


@pytest.mark.long
@pytest.mark.parametrize("durability", ["postgres", "redis"])
async def test_crowd_loses_no_claim_when_the_master_is_killed(
    start_server: StartServer, postgres_dsn: str, durability: str
) -> None:
    with watched_by_sentinels() as watched:
        server = await start_server(stores__redis=watched.url, stores__durability=durability)
        health = server.app.services.mirror_health
        assert server.app.operations.status()["degraded"] == []
        async with start_crowd(server.url, seed=13) as crowd:
            stop = asyncio.Event()
            playing = asyncio.create_task(crowd.until_stopped(stop))
            await until_more_claims(crowd)
            watched.servers[0].kill()
            await wait_for(watched.servers[1].is_master)
            watched.servers[0].will_follow(watched.servers[1])
            watched.servers[0].start()
            await wait_for(lambda: health.is_up)
            await until_more_claims(crowd)
            stop.set()
            await playing
            await compare_with_books(postgres_dsn, SEED_KEYS, crowd)
        assert int(watched.servers[1].ask("INFO", "commandstats")["cmdstat_evalsha"]["calls"]) > 0


async def test_durability_redis_demands_a_replica_behind_sentinels(start_server: StartServer) -> None:
    with (
        watched_by_sentinels(has_replica=False) as watched,
        pytest.raises(StoreRefused, match=r"^Redis has no replica: durability redis needs one for each master"),
    ):
        await start_server(stores__redis=watched.url, stores__durability="redis")


@pytest.mark.long
async def test_claim_that_the_replica_has_not_confirmed_is_not_told(
    start_server: StartServer, party: MakeParty, books_balance: BooksBalance
) -> None:
    with watched_by_sentinels() as watched:
        server = await start_server(stores__redis=watched.url, stores__durability="redis")
        room = await party(server, 2)
        packet_id = await room.lucky(1_000, 2)
        watched.servers[1].kill()
        with pytest.raises(Refusal, match="store_unavailable"):
            await room.guests[0].open(packet_id, patience_s=0.0)
        watched.servers[1].start()
        await wait_for(lambda: server.app.services.mirror_health.is_up)
        opened = await asyncio.gather(*(guest.open(packet_id) for guest in room.guests))
        assert sum(one.amount_fen for one in opened) == 1_000
        await books_balance()
