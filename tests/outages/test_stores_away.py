"""A store is away, silent or full: temporary errors at once, no queue, and normal service afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import pytest
from redis import asyncio as aioredis

from bench.chaos import freezing
from bench.chaos.proxy import Proxy
from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientError, Refusal, StoreUnavailable
from protocol import messages
from server import app, embedded
from server.services.runtime.load_shedding import FEW
from storage.errors import place_of
from storage.postgres import health_probe
from tests.conftest import PATIENCE_S, Connect, Server, StartServer, token
from tests.services.conftest import MakeParty, Party, Record, until

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BooksBalance = Callable[[], Awaitable[None]]
Outage: TypeAlias = Callable[[], Any]
STATEMENT_S = 4 * PATIENCE_S  # without the probe a request would wait for so long
TEMPORARY = {"store_unavailable", "overloaded"}


async def refusal(asked: Awaitable[object]) -> str:
    """The name of a temporary refusal."""
    try:
        return f"no refusal but {await asked}"
    except Refusal as error:
        return error.name if error.temporary and error.retry_after_ms > 0 else f"permanent: {error.name}"


async def until_detected(room: Party) -> None:
    """Wait until the server has detected the outage."""

    async def holds() -> bool:
        await refusal(send(room.sender, room.group, "first"))
        return bool(room.server.app.stores.database._health._away)

    await until(holds)


def send(client: Client, group: int, key: str) -> Awaitable[messages.PacketSent]:
    return client.send_packet("lucky", group, 100, 2, key=key)


async def at_once(*asked: Awaitable[str]) -> list[str]:
    """The answers of all; none waits for the end of a statement. How soon they come is tested in virtual time."""
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.gather(*asked)


@pytest.fixture
def long_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that is not broken off lasts longer than a test, so that nothing but the probe ends it."""
    monkeypatch.setattr(app, "STORE_TIMEOUT_S", STATEMENT_S)


@asynccontextmanager
async def cut(proxy: Proxy, stores: embedded.StoreAddresses) -> AsyncIterator[None]:
    """Connections are refused."""
    await proxy.cut()
    yield
    await proxy.heal()


@asynccontextmanager
async def stalled(proxy: Proxy, stores: embedded.StoreAddresses) -> AsyncIterator[None]:
    """Connections stay open and no byte passes: a black hole."""
    proxy.stall()
    yield
    proxy.flow()


@asynccontextmanager
async def frozen(proxy: Proxy, stores: embedded.StoreAddresses) -> AsyncIterator[None]:
    """PostgreSQL with all its children is stopped by SIGSTOP."""
    with freezing.frozen(stores.pids["postgres"]):
        yield


async def test_packet_that_is_finished_is_answered_from_memory_alone(
    party: MakeParty, server: Server, stores: embedded.StoreAddresses
) -> None:
    """Most of a crowd comes too late: they cost no store anything, not even one that stands still."""
    room = await party(server, 12)
    packet_id = await room.lucky(1_000, 2)
    for guest in room.guests[:2]:
        assert (await guest.open(packet_id)).answer == "won"
    with freezing.frozen(stores.pids["postgres"]), freezing.frozen(stores.pids["valkey"]):
        answers = await asyncio.gather(*(guest.grab(packet_id) for guest in room.guests))
    assert [one.answer for one in answers] == ["claimed"] * 2 + ["gone"] * (len(room.guests) - 2)


@pytest.mark.usefixtures("long_statements")
@pytest.mark.parametrize("outage", [cut, stalled, frozen])
async def test_postgres_away_gives_temporary_errors_at_once(
    start_server: StartServer,
    party: MakeParty,
    postgres_proxy: tuple[Proxy, str],
    stores: embedded.StoreAddresses,
    books_balance: BooksBalance,
    outage: Outage,
) -> None:
    """Every client receives an error within a second; afterwards the same keys and packets work."""
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn), 10)
    packet_id = await room.lucky(1_000, 10)
    first = await room.guests[0].open(packet_id)
    async with outage(proxy, stores):
        await until_detected(room)
        asked = [refusal(send(room.sender, room.group, f"k{number}")) for number in range(20)]
        asked += [refusal(guest.open(packet_id, patience_s=0)) for guest in room.guests[1:]]
        assert {*await at_once(*asked)} <= TEMPORARY
        assert nothing_waits(room.server)

    async def is_back() -> bool:
        return not room.server.app.stores.database._health._away

    await until(is_back)
    again = await asyncio.gather(*(patient_send(room, f"k{number}") for number in range(20)))
    assert len({sent.packet_id for sent in again}) == 20
    opened = await asyncio.gather(*(guest.open(packet_id) for guest in room.guests))
    assert (opened[0].answer, opened[0].amount_fen) == ("claimed", first.amount_fen)
    assert sum(one.amount_fen for one in opened) == 1_000
    await books_balance()


async def test_users_are_not_told_which_store_is_away_and_where_it_is(
    start_server: StartServer, party: MakeParty, postgres_proxy: tuple[Proxy, str], stores: embedded.StoreAddresses
) -> None:
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn), 2)
    packet_id = await room.lucky(1_000, 2)
    async with cut(proxy, stores):
        await until_detected(room)
        with pytest.raises(StoreUnavailable) as sending:
            await send(room.sender, room.group, "k")
        with pytest.raises(StoreUnavailable) as opening:
            await room.guests[0].open(packet_id, patience_s=0)
        login = Client(room.server.url, token(5))
        with pytest.raises(ClientError) as connecting:
            await login.connect(1.0)
        await login.close()
    for error in (sending.value, opening.value):
        assert error.detail == "a store of the server does not respond"
    for word in ("PostgreSQL", "Redis", "no such file", place_of(dsn)):
        assert word not in str(connecting.value)


async def patient_send(room: Party, key: str) -> messages.PacketSent:
    """Repeat while the refusal is temporary, as an app does."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await send(room.sender, room.group, key)
            except Refusal as error:
                if not error.temporary:
                    raise
                await asyncio.sleep(error.retry_after_ms / 1000)


def nothing_waits(server: Server) -> bool:
    services = server.app.services
    return not (services.unanswered or any(batcher._waiting for batcher in services.batchers.values()))


@pytest.mark.usefixtures("long_statements")
async def test_stall_of_postgres_makes_no_unbounded_queue(
    start_server: StartServer,
    party: MakeParty,
    postgres_proxy: tuple[Proxy, str],
    books_balance: BooksBalance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before the outage is detected: early requests are answered, further ones are refused."""
    monkeypatch.setattr(health_probe, "PROBE_S", STATEMENT_S)  # it is detected when the connections break, below
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn, limits__wait_ms_max=200.0), 5)
    packet_id = await room.lucky(1_000, 5)
    for guest in room.guests:
        assert (await guest.grab(packet_id)).ticket
    proxy.stall()
    asked = [asyncio.ensure_future(refusal(send(room.sender, room.group, "k0")))]
    asked += [asyncio.ensure_future(refusal(room.guests[0].open(packet_id, patience_s=0)))]
    await asyncio.sleep(0.15)
    coming = [refusal(send(room.sender, room.group, f"late {number}")) for number in range(30)]
    late = [asyncio.ensure_future(one) for one in coming]
    late += [asyncio.ensure_future(refusal(guest.open(packet_id, patience_s=0))) for guest in room.guests[1:]]

    async def rest_is_refused() -> bool:
        return sum(one.done() for one in late) >= 30 - FEW

    await until(rest_is_refused)
    assert {one.result() for one in late if one.done()} == {"overloaded"}
    await proxy.cut()
    assert {*await at_once(*late)} <= TEMPORARY
    assert {*await at_once(*asked)} == {"store_unavailable"}
    await proxy.heal()
    opened = await asyncio.gather(*(guest.open(packet_id) for guest in room.guests))
    assert sum(one.amount_fen for one in opened) == 1_000
    await books_balance()


@pytest.mark.parametrize("durability", ["postgres", "redis"])
async def test_redis_away_fails_only_with_durability_redis(
    start_server: StartServer,
    party: MakeParty,
    redis_proxy: tuple[Proxy, str],
    redis: aioredis.Redis,
    books_balance: BooksBalance,
    durability: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A black hole. Durability postgres continues and rebuilds the mirror; redis gives an error at once."""
    proxy, url = redis_proxy
    room = await party(await start_server(stores__redis=url, stores__durability=durability), 6)
    packet_id = await room.lucky(1_000, 7)
    await room.guests[0].open(packet_id)
    proxy.stall()
    await asyncio.gather(room.guests[1].open(packet_id, patience_s=0), return_exceptions=True)  # detects the outage

    async def is_detected() -> bool:
        return not room.server.app.services.mirror_health.is_up

    await until(is_detected)
    with monkeypatch.context() as patched:
        patched.setattr(room.server.app.stores.mirror, "append", not_asked)
        outcomes = await asyncio.gather(
            *(outcome(guest.open(packet_id, patience_s=0)) for guest in room.guests[2:5])
        )
    assert {*outcomes} == ({"won"} if durability == "postgres" else {"store_unavailable"})
    proxy.flow()

    async def is_back() -> bool:
        return room.server.app.services.mirror_health.is_up

    await until(is_back)
    opened = await asyncio.gather(*(guest.open(packet_id) for guest in room.guests))
    opened.append(await room.sender.open(packet_id))  # the log that refused a claim is written whole with the next
    assert sum(one.amount_fen for one in opened) == 1_000
    assert await redis.strlen(f"hongbao:packet:{packet_id}") >= 1 + 7 * 20  # rebuilt; a closing byte may follow
    await books_balance()


async def not_asked(*_: object) -> set[int]:
    """An open that asked Redis would wait for it."""
    raise AssertionError("Redis is away, and is asked")


async def outcome(asked: Awaitable[messages.Opened]) -> str:
    try:
        return (await asked).answer
    except Refusal as error:
        return error.name


@pytest.mark.parametrize("durability", ["postgres", "redis"])
async def test_full_valkey_fails_only_with_durability_redis(
    start_server: StartServer, party: MakeParty, redis: aioredis.Redis, books_balance: BooksBalance, durability: str
) -> None:
    """-OOM: the same as an outage, until there is room again."""
    room = await party(await start_server(stores__durability=durability), 4)
    packet_id = await room.lucky(1_000, 4)
    await room.guests[0].open(packet_id)
    await redis.config_set("maxmemory", 1)
    try:
        name = await outcome(room.guests[1].open(packet_id, patience_s=0))
        assert name == ("won" if durability == "postgres" else "store_unavailable")
    finally:
        await redis.config_set("maxmemory", 0)
    opened = await asyncio.gather(*(guest.open(packet_id) for guest in room.guests))
    assert sum(one.amount_fen for one in opened) == 1_000
    await books_balance()


@pytest.mark.parametrize("table", ["packets", "claims"])
async def test_full_table_of_postgres_gives_temporary_errors(
    start_server: StartServer,
    party: MakeParty,
    sql: Sql,
    record: Record,
    books_balance: BooksBalance,
    table: str,
) -> None:
    """53100 disk_full on the writes of one table: temporary errors, nothing half done, normal service later."""
    room = await party(await start_server(), 3)
    packet_id = await room.lucky(1_000, 3)
    await sql.execute(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$"
    )
    await sql.execute(f"CREATE TRIGGER full_disk BEFORE INSERT ON {table} EXECUTE FUNCTION full_disk()")
    if table == "packets":
        assert await refusal(send(room.sender, room.group, "k")) == "store_unavailable"
        assert (await room.guests[0].open(packet_id)).answer == "won"
    else:
        assert await refusal(room.guests[0].open(packet_id, patience_s=0)) == "store_unavailable"
        assert await record(packet_id) == []
        assert (await send(room.sender, room.group, "k")).packet_id
    await sql.execute(f"DROP TRIGGER full_disk ON {table}")
    await patient_send(room, "k")
    opened = await asyncio.gather(*(guest.open(packet_id) for guest in room.guests))
    assert sum(one.amount_fen for one in opened) == 1_000
    await books_balance()


async def test_broken_connection_is_not_an_outage(
    start_server: StartServer, party: MakeParty, postgres_proxy: tuple[Proxy, str]
) -> None:
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn), 1)
    for number in range(3):
        proxy.break_connections()
        await patient_send(room, f"k{number}")
        assert not room.server.app.stores.database._health._away


async def test_login_while_postgres_is_away_succeeds_later(
    start_server: StartServer, party: MakeParty, postgres_proxy: tuple[Proxy, str], connect: Connect
) -> None:
    proxy, dsn = postgres_proxy
    server = await start_server(stores__postgres=dsn)
    room = await party(server, 1)
    await proxy.cut()
    await until_detected(room)
    coming = asyncio.create_task(connect(server, 77))
    await asyncio.sleep(0.2)
    assert not coming.done()
    await proxy.heal()
    assert (await coming).is_connected
