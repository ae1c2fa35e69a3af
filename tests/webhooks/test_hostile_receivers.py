"""Receivers that hang, fail, redirect, flood, close and lie: no other endpoint notices, and no event is lost."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme
from aiohttp import web

from client_sim.sdk.client import Client
from server.core.refusals import RequestRefused
from server.core.webhooks.flow import ENDPOINT_MAX
from server.services.webhooks import names, sender
from tests.conftest import Server, StartServer
from tests.services.conftest import until as in_store
from tests.webhooks.conftest import LOOPBACK, SECRET, MakeReceiver, Receiver, Sql, subscribe, until

MEGABYTE = b"x" * (1 << 20)


async def hang(request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(3_600)
    raise AssertionError


async def fail(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=500, text="out of order")


async def close_at_once(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def send_headers_only(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "5"})
    await response.prepare(request)
    await asyncio.sleep(3_600)
    return response


async def attempted(server: Server, name: str) -> tuple[str, int, int, str]:
    """State, attempts, last status and last error of the oldest delivery, once there was an attempt."""
    found: list[tuple[str, int, int, str]] = []

    async def is_attempted() -> bool:
        page = await server.app.services.webhooks.deliveries(name)
        assert page is not None
        found[:] = [(one.state, one.attempts, one.last_status, one.last_error) for one in page.lines[-1:]]
        return bool(found and found[0][1])

    await in_store(is_attempted)
    return found[0]


@pytest.mark.parametrize("respond", [hang, fail, close_at_once, send_headers_only])
async def test_other_endpoint_receives_all_while_one_is_hostile(
    server: Server, backend: Client, receiver: Receiver, make_receiver: MakeReceiver, respond: object
) -> None:
    hostile = await make_receiver(respond)
    await subscribe(server, hostile, "hostile")
    await subscribe(server, receiver, "kind")
    for user_id in range(1, 61):
        await backend.top_up(user_id, 5, key="t")
    assert len(await receiver.wait_for(60)) == 60
    assert len(hostile.received) <= 2 + ENDPOINT_MAX
    assert len({one.data["user_id"] for one in receiver.received}) == 60


async def test_endpoint_that_hangs_is_given_up_after_the_time_limit(
    server: Server, backend: Client, make_receiver: MakeReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "TIMEOUT_S", 0.2)
    await subscribe(server, await make_receiver(hang))
    await backend.top_up(7, 5, key="t")
    assert await attempted(server, "shop") == ("waiting", 1, 0, "no answer within 0.2 s")


async def test_answer_that_never_ends_is_given_up_after_the_time_limit(
    server: Server, backend: Client, make_receiver: MakeReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "TIMEOUT_S", 0.2)
    await subscribe(server, await make_receiver(send_headers_only))
    await backend.top_up(7, 5, key="t")
    assert (await attempted(server, "shop"))[:3] == ("waiting", 1, 0)


async def test_delivery_that_failed_comes_again_with_the_same_id_and_body(
    server: Server, backend: Client, receiver: Receiver, sql: Sql
) -> None:
    receiver.respond = fail
    await subscribe(server, receiver)
    await backend.top_up(7, 5, key="t")
    assert await attempted(server, "shop") == ("waiting", 1, 500, "")
    wait_ms = await sql.fetchval("SELECT next_at_ms - last_at_ms FROM webhook_deliveries")
    assert 3_750 <= wait_ms <= 5_000
    receiver.respond = accept_all
    await sql.execute("UPDATE webhook_deliveries SET next_at_ms = 0")
    first, second = (await receiver.wait_for(2))[:2]
    assert (first.id, first.body) == (second.id, second.body)


async def accept_all(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="thanks")


async def test_last_attempt_that_fails_ends_the_delivery(
    server: Server, backend: Client, receiver: Receiver, sql: Sql
) -> None:
    receiver.respond = fail
    await subscribe(server, receiver)
    await backend.top_up(7, 5, key="t")
    await attempted(server, "shop")
    await sql.execute("UPDATE webhook_deliveries SET next_at_ms = 0, attempts = 11")
    await receiver.wait_for(2)

    async def has_failed() -> bool:
        return (await attempted(server, "shop"))[0] == "failed"

    await in_store(has_failed)


async def test_redirect_is_not_followed(
    server: Server, backend: Client, receiver: Receiver, make_receiver: MakeReceiver
) -> None:
    async def redirect(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": receiver.url})

    await subscribe(server, await make_receiver(redirect))
    await backend.top_up(7, 5, key="t")
    assert await attempted(server, "shop") == ("waiting", 1, 307, "")
    assert receiver.received == []


async def test_answer_of_10_megabytes_is_read_for_16_kilobytes_only(
    server: Server, backend: Client, make_receiver: MakeReceiver
) -> None:
    sent = 0

    async def flood(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(40):
            await response.write(MEGABYTE)
            sent += len(MEGABYTE)
        return response

    await subscribe(server, await make_receiver(flood))
    await backend.top_up(7, 5, key="t")
    assert await attempted(server, "shop") == ("delivered", 1, 200, "")
    assert sent < 20 << 20


async def test_answer_410_disables_the_endpoint_until_it_is_put_again(
    server: Server, backend: Client, receiver: Receiver
) -> None:
    async def gone(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=410)

    receiver.respond = gone
    webhooks = server.app.services.webhooks
    await subscribe(server, receiver)
    await backend.top_up(7, 5, key="t1")

    async def is_gone() -> bool:
        found = await webhooks.endpoint("shop")
        return found is not None and found.state == "gone"

    await in_store(is_gone)
    await backend.top_up(7, 5, key="t2")
    await asyncio.sleep(0.3)
    assert len(receiver.received) == 1
    receiver.respond = accept_all
    await subscribe(server, receiver)
    await backend.top_up(7, 5, key="t3")
    assert (await receiver.wait_for(2))[1].data["key"] == "t3"


async def test_certificate_that_is_not_trusted_receives_nothing(
    server: Server, backend: Client, make_receiver: MakeReceiver
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    liar = await make_receiver(tls=context)
    await subscribe(server, liar)
    await backend.top_up(7, 5, key="t")
    state, attempts, status, error = await attempted(server, "shop")
    assert (state, attempts, status) == ("waiting", 1, 0)
    assert error == "TLS failed: unable to get local issuer certificate"
    assert liar.received == []


async def test_receiver_that_speaks_no_tls_is_told_as_that(
    server: Server, backend: Client, receiver: Receiver
) -> None:
    receiver.url = receiver.url.replace("http://", "https://")
    await subscribe(server, receiver)
    await backend.top_up(7, 5, key="t")
    state, attempts, status, error = await attempted(server, "shop")
    assert (state, attempts, status, error) == ("waiting", 1, 0, "TLS failed: WRONG_VERSION_NUMBER")
    assert receiver.received == []


async def test_certificate_that_is_trusted_receives_all(
    start_server: StartServer,
    receiver: Receiver,
    make_receiver: MakeReceiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ca, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    with ca.cert_pem.tempfile() as path:
        monkeypatch.setenv("SSL_CERT_FILE", path)
        server = await start_server(webhooks__allow_private=LOOPBACK)
        secure = await make_receiver(tls=context)
        await subscribe(server, secure)
        assert await server.app.services.webhooks.test("shop")
        assert (await secure.wait_for(1))[0].type == "webhook.test"


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.1"])
async def test_name_of_a_private_address_receives_nothing_unless_its_network_is_listed(
    start_server: StartServer, receiver: Receiver, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start_server(webhooks__allow_private=["10.0.0.0/8"])
    with pytest.raises(RequestRefused, match="is not a public address"):
        await server.app.services.webhooks.put("shop", receiver.url.replace("127.0.0.1", host), (), SECRET)
    monkeypatch.setattr(names, "look_up", lambda host: ["10.0.0.1"])  # where the name led when it was put
    await server.app.services.webhooks.put("shop", receiver.url.replace("127.0.0.1", host), (), SECRET)
    await server.app.services.webhooks.test("shop")
    state, _, status, error = await attempted(server, "shop")
    assert (state, status) == ("waiting", 0)
    assert "not a public address" in error or "Url" in error
    assert receiver.received == []


@pytest.mark.long
async def test_many_endpoints_that_hang_leave_room_for_the_others(
    server: Server, backend: Client, receiver: Receiver, make_receiver: MakeReceiver
) -> None:
    hostile = await make_receiver(hang)
    for number in range(40):
        await subscribe(server, hostile, f"hostile{number}", "wallet.changed")
    for user_id in range(1, 5):
        await backend.top_up(user_id, 5, key="t")
    await until(lambda: len(hostile.received) >= 40)
    await subscribe(server, receiver, "kind")
    for user_id in range(5, 25):
        await backend.top_up(user_id, 5, key="t")
    assert len(await receiver.wait_for(20)) == 20
