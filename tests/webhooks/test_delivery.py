"""At least once: through kills and outages, by one server or several; secrets rotate; events come again."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from bench.chaos.proxy import Proxy
from client_sim.sdk.client import Client
from server import app
from server.core.webhooks.flow import FIRST_WINDOW
from server.core.webhooks.signing import text_of
from server.services.webhooks import delivery
from tests.conftest import DAY_MS, PATIENCE_S, Connect, Server, StartServer, Turn
from tests.services.conftest import until as in_store
from tests.webhooks.conftest import (
    KEY,
    LOOPBACK,
    SECRET,
    Receiver,
    Sql,
    accept,
    signatures,
    signed,
    subscribe,
)

OTHER_KEY = bytes(range(100, 132))


class Hold:
    """A receiver that answers only once it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        await self.go.wait()
        return web.Response(status=200)


async def delivered(sql: Sql, count: int) -> None:
    """Wait until so many deliveries are marked, and none waits."""

    async def done() -> bool:
        states = await sql.fetch("SELECT state, count(*) FROM webhook_deliveries GROUP BY 1")
        return dict(states) == {1: count}

    await in_store(done)


async def test_server_killed_between_send_and_mark_delivers_again_with_the_same_id(
    start_server: StartServer, connect: Connect, receiver: Receiver, turn_clock: Turn, sql: Sql
) -> None:
    hold = Hold()
    receiver.respond = hold
    killed = await start_server(webhooks__allow_private=LOOPBACK)
    await subscribe(killed, receiver)
    await (await connect(killed, 0)).top_up(7, 5, key="t")
    await receiver.wait_for(1)
    await killed.kill()
    hold.go.set()
    turn_clock(60_000)
    await start_server(webhooks__allow_private=LOOPBACK)
    first, second = await receiver.wait_for(2)
    assert (first.id, first.body) == (second.id, second.body)
    await delivered(sql, 1)


async def test_planned_restart_waits_for_the_answer_to_what_is_in_flight(
    start_server: StartServer,
    connect: Connect,
    receiver: Receiver,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "DRAIN_WEBHOOKS_S", PATIENCE_S)
    hold = Hold()
    receiver.respond = hold
    server = await start_server(webhooks__allow_private=LOOPBACK)
    await subscribe(server, receiver)
    await (await connect(server, 0)).top_up(7, 5, key="t")
    await receiver.wait_for(1)
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(3 * delivery.BUSY_S)
    assert not stopping.done()
    hold.go.set()
    await stopping
    assert await sql.fetchval("SELECT state FROM webhook_deliveries") == 1
    assert len(receiver.received) == 1


async def test_planned_restart_does_not_wait_for_a_receiver_that_hangs_nor_begin_more(
    start_server: StartServer, connect: Connect, receiver: Receiver, sql: Sql
) -> None:
    receiver.respond = Hold()
    server = await start_server(webhooks__allow_private=LOOPBACK)
    await subscribe(server, receiver)
    backend = await connect(server, 0)
    await backend.top_up(7, 5, key="t")
    await receiver.wait_for(1)
    server.app.services.webhook_delivery.take_no_more()
    await backend.top_up(8, 5, key="t2")
    await asyncio.sleep(3 * delivery.BUSY_S)
    assert len(receiver.received) == 1
    async with asyncio.timeout(PATIENCE_S):
        await server.stop()
    assert await sql.fetchval("SELECT count(*) FROM webhook_deliveries WHERE state = 0") == 2  # for another server


async def test_leased_delivery_is_left_to_its_server(
    start_server: StartServer, connect: Connect, receiver: Receiver, sql: Sql
) -> None:
    hold = Hold()
    receiver.respond = hold
    servers = [await start_server(webhooks__allow_private=LOOPBACK) for _ in range(2)]
    await subscribe(servers[0], receiver)
    await (await connect(servers[0], 0)).top_up(7, 5, key="t")
    await receiver.wait_for(1)
    await asyncio.sleep(5 * delivery.BUSY_S)
    assert len(receiver.received) == 1
    hold.go.set()
    await delivered(sql, 1)


async def test_two_servers_share_the_deliveries_and_make_each_once(
    start_server: StartServer, connect: Connect, receiver: Receiver, sql: Sql
) -> None:
    """One server may have `FIRST_WINDOW` in flight at first: twice as many show that both deliver."""
    receiver.respond = hold = Hold()
    servers = [await start_server(webhooks__allow_private=LOOPBACK) for _ in range(2)]
    await subscribe(servers[0], receiver)
    backend = await connect(servers[0], 0)
    for user_id in range(1, 201, 8):  # as many at once as there are connections to PostgreSQL
        await asyncio.gather(*(backend.top_up(one, 5, key="t") for one in range(user_id, user_id + 8)))
    await receiver.wait_for(2 * FIRST_WINDOW)
    hold.go.set()
    await receiver.wait_for(200)
    await delivered(sql, 200)
    assert len({one.id for one in receiver.received}) == len(receiver.received) == 200
    shares = [server.app.services.webhook_delivery.results["delivered"] for server in servers]
    assert min(shares) >= FIRST_WINDOW, shares


async def test_event_of_an_outage_is_delivered_after_it(
    start_server: StartServer,
    connect: Connect,
    receiver: Receiver,
    postgres_proxy: tuple[Proxy, str],
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    proxy, dsn = postgres_proxy
    server = await start_server(webhooks__allow_private=LOOPBACK, stores__postgres=dsn)
    log, failures = server.app.services.webhook_delivery._outage_log, list[Exception]()
    begins = log.begins
    monkeypatch.setattr(log, "begins", lambda error: begins(error) or failures.append(error))
    hold = Hold()
    receiver.respond = hold
    await subscribe(server, receiver)
    await (await connect(server, 0)).top_up(7, 5, key="t")
    await receiver.wait_for(1)
    await proxy.cut()
    hold.go.set()

    async def has_failed_twice() -> bool:
        return len(failures) >= 2

    await in_store(has_failed_twice)
    await proxy.heal()
    await delivered(sql, 1)
    assert len(receiver.received) == 1
    assert capsys.readouterr().out.count("webhooks_wait ") == 1


async def test_endpoint_that_fails_and_works_again_is_told_once_each(
    server: Server, receiver: Receiver, turn_clock: Turn, capsys: pytest.CaptureFixture[str]
) -> None:
    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=401, text="what a receiver writes")

    receiver.respond = refuse
    webhooks = server.app.services.webhooks
    await webhooks.put("shop", f"{receiver.url}?token=abc", (), SECRET)
    for _ in range(2):
        await webhooks.test("shop")
    await receiver.wait_for(2)

    async def failed_twice() -> bool:
        return (await webhooks.conditions())["shop"].failures >= 2

    await in_store(failed_twice)
    shop = (await webhooks.conditions())["shop"]
    assert (shop.waiting, shop.last_status, shop.last_error) == (2, 401, "")
    assert 0 < shop.next_at_ms - shop.last_at_ms <= 61_000
    receiver.respond = accept
    turn_clock(60_000)

    async def works() -> bool:
        one = (await webhooks.conditions())["shop"]
        return (one.waiting, one.last_status, one.failures, one.next_at_ms) == (0, 204, 0, 0)

    await in_store(works)
    told = capsys.readouterr().out
    assert (told.count("webhook_endpoint_fails "), told.count("webhook_endpoint_works_again ")) == (1, 1)
    assert "status 401" in told
    assert not [one for one in ("token=abc", "a receiver writes", SECRET) if one in told]


async def test_rotated_secret_signs_beside_the_new_one_for_a_while(
    server: Server, backend: Client, receiver: Receiver, turn_clock: Turn
) -> None:
    webhooks = server.app.services.webhooks
    await subscribe(server, receiver)
    await webhooks.rotate("shop", text_of(OTHER_KEY), 3_600)
    await webhooks.put("shop", receiver.url, (), text_of(OTHER_KEY))  # the same again is no other rotation
    await backend.top_up(7, 5, key="t1")
    (both,) = await receiver.wait_for(1)
    assert signatures(both) == {signed(both, KEY), signed(both, OTHER_KEY)}
    turn_clock(3_700_000)
    await webhooks.test("shop")
    one = (await receiver.wait_for(2))[1]
    assert signatures(one) == {signed(one, OTHER_KEY)}


async def test_secret_is_in_no_repr_and_no_log(
    server: Server, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    await subscribe(server, receiver)
    await server.app.services.webhooks.test("shop")
    await receiver.wait_for(1)
    rows = await server.app.stores.webhook_endpoints.all()
    shown = repr(rows) + repr(await server.app.services.webhooks.endpoints()) + capsys.readouterr().out
    assert "shop" in shown
    sealed = rows[0].secrets.current.data  # a server without a key records the secret itself there
    for secret in (SECRET, repr(KEY), KEY.hex(), repr(sealed), sealed.hex()):
        assert secret.strip("b'\"") not in shown


async def test_replay_of_one_event_and_of_all_that_failed(
    server: Server, backend: Client, receiver: Receiver, sql: Sql
) -> None:
    await subscribe(server, receiver)
    for user_id in (1, 2, 3):
        await backend.top_up(user_id, 5, key="t")
    await delivered(sql, 3)
    webhooks = server.app.services.webhooks
    page = await webhooks.deliveries("shop")
    assert page is not None
    newest = page.lines[0]
    assert await webhooks.replay("shop", event_id=newest.event_id) == 1
    assert (await receiver.wait_for(4))[3].id == newest.webhook_id
    await delivered(sql, 3)
    await sql.execute("UPDATE webhook_deliveries SET state = 2 WHERE event_id < $1", newest.event_id)
    assert await webhooks.replay("shop", from_ms=0, only_failed=True) == 2
    assert len({one.id for one in (await receiver.wait_for(6))[4:]}) == 2
    await delivered(sql, 3)
    assert await webhooks.replay("shop", from_ms=0) == 3
    await receiver.wait_for(9)


async def test_replay_gives_an_endpoint_what_happened_before_it_was_made(
    server: Server, backend: Client, receiver: Receiver, sql: Sql
) -> None:
    await server.app.services.webhooks.put("other", "https://shop.example/hooks", (), SECRET, enabled=True)
    await backend.top_up(1, 5, key="t")
    await subscribe(server, receiver, "late", "packet.sent")
    assert await server.app.services.webhooks.replay("late", from_ms=0) == 0
    await subscribe(server, receiver, "late")
    assert await server.app.services.webhooks.replay("late", from_ms=0) == 1
    await receiver.wait_for(1)


async def test_removed_endpoint_gets_nothing_more_and_leaves_no_rows(
    server: Server, backend: Client, receiver: Receiver, sql: Sql, turn_clock: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "CLEAN_S", 0.05)
    await subscribe(server, receiver)
    await backend.top_up(1, 5, key="t1")
    await receiver.wait_for(1)
    server.app.services.webhook_delivery._clean_at_s = 0.0
    assert await server.app.services.webhooks.remove("shop")
    await backend.top_up(1, 5, key="t2")
    turn_clock(2 * delivery.REMOVED_MS)

    async def empty() -> bool:
        rows = "SELECT 1 FROM webhook_endpoints UNION ALL SELECT 1 FROM webhook_deliveries"
        return bool(await sql.fetchval(f"SELECT NOT EXISTS ({rows})"))

    await in_store(empty)
    assert len(receiver.received) == 1


async def test_old_events_are_deleted_with_their_deliveries_and_newer_ones_stay(
    server: Server, backend: Client, receiver: Receiver, sql: Sql, turn_clock: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "CLEAN_S", 0.05)
    monkeypatch.setattr(delivery, "CLEAN_MAX", 2)
    receiver.respond = accept
    await subscribe(server, receiver)
    for user_id in range(1, 6):
        await backend.top_up(user_id, 5, key="t")
    await delivered(sql, 5)
    await sql.execute("UPDATE webhook_events SET at_ms = at_ms + $1 WHERE subject = 5", 10 * DAY_MS)
    turn_clock(8 * DAY_MS)
    server.app.services.webhook_delivery._clean_at_s = 0.0

    async def cleaned() -> bool:
        events = await sql.fetch("SELECT subject FROM webhook_events")
        rows = await sql.fetchval("SELECT count(*) FROM webhook_deliveries")
        return [row[0] for row in events] == [5] and rows == 1

    await in_store(cleaned)
    await asyncio.sleep(5 * delivery.BUSY_S)
    assert await cleaned()
