"""The upgrade: which requests are accepted, the answer to every other one, and the limits that hold before it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from client_sim.sdk import Client, ConnectionLost, ConnectionRefusedForGood
from server import config
from server.credentials import Credentials
from server.net.tls import server_context
from server.reload import Reading
from tests.conftest import KEYS, SEED_KEYS, Server, StartServer, token
from tests.issuer import Issuer
from tests.websocket.conftest import LISTEN, dial_websocket
from tests.websocket.raw import WebSocketRaw, request, ws_frame
from tests.wire import raw as wire
from tests.wire.conftest import Dial

ALICE = 101
CLIENT, OTHER_CLIENT = "203.0.113.7", "203.0.113.8"

REFUSED: dict[str, tuple[bytes, int]] = {
    "not HTTP": (b"\x00\x01\x02\r\n\r\n", 400),
    "a frame of TCP": (wire.framed(10, 1) + b"\r\n\r\n", 400),
    "lines without CR": (b"GET / HTTP/1.1\nHost: a\n\r\n\r\n", 400),
    "HTTP 1.0": (request("GET / HTTP/1.0"), 505),
    "HTTP 2": (request("GET / HTTP/2"), 400),
    "POST": (request("POST / HTTP/1.1"), 405),
    "a body": (request(Content_Length="5") + b"hello", 400),
    "no upgrade": (request(Upgrade=None, Connection=None), 426),
    "another upgrade": (request(Upgrade="h2c"), 426),
    "no key": (request(Sec_WebSocket_Key=None), 400),
    "a short key": (request(Sec_WebSocket_Key="AAAA"), 400),
    "an old version": (request(Sec_WebSocket_Version="8"), 400),
    "no subprotocol": (request(Sec_WebSocket_Protocol=None), 400),
    "another subprotocol": (request(Sec_WebSocket_Protocol="mqtt"), 400),
    "foreign origin": (request(Origin="https://evil.example"), 403),
    "origin with another scheme": (request(Origin="http://chat.example"), 403),
    "origin with more behind it": (request(Origin="https://chat.example.evil.example"), 403),
    "origin null": (request(Origin="null"), 403),
    "two origins": (request(Origin="https://chat.example\r\nOrigin: https://evil.example"), 400),
    "200 headers": (request(**{f"X_{number}": "a" for number in range(200)}), 431),
    "a request without an end": (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 2000, 431),
    "a long line": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 431),
}


async def test_request_that_is_no_allowed_upgrade_gets_its_status_and_the_end(server: Server) -> None:
    for case, (data, status) in REFUSED.items():
        client = await WebSocketRaw.open(server)
        await client.send_bytes(data)
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close"), case
        await client.at_end()
    await without_sessions(server)


async def test_allowed_upgrade_is_accepted(server: Server) -> None:
    allowed: tuple[dict[str, str], ...] = (
        {},
        {"Origin": "https://chat.example"},
        {"Sec_WebSocket_Protocol": "mqtt, hongbao.v1"},
        {"Connection": "keep-alive, Upgrade", "Upgrade": "WebSocket"},
        {"Sec_WebSocket_Extensions": "permessage-deflate; client_max_window_bits"},  # and is not given
        {"Cookie": "a=b", "User_Agent": "a" * 3000},
    )
    for headers in allowed:
        client = await dial_websocket(server, ALICE, **headers)
        assert await client.ask(wire.GET_BALANCE) == [0, 0]


async def test_request_that_comes_byte_by_byte_with_frames_behind_it_is_served(server: Server) -> None:
    client = await WebSocketRaw.open(server)
    data = request()
    for at in range(len(data)):
        await client.send_bytes(data[at : at + 1])
    assert (await client.answer()).status == 101
    client.hello = await client.read()
    await client.login(ALICE)
    client.close()

    eager = await WebSocketRaw.open(server)
    await eager.send_bytes(request() + ws_frame(b"not MessagePack \xc1"))
    assert (await eager.answer()).status == 101
    assert (await eager.goodbye()) == wire.BAD_FRAME
    eager.close()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", request()[:-2]], ids=["silent", "one line", "no end"])
async def test_upgrade_that_does_not_come_in_time_ends_as_a_login_does(
    start_server: StartServer, sent: bytes
) -> None:
    server = await start_server(**LISTEN, limits__login_timeout_s=0.3)
    client = await WebSocketRaw.open(server)
    await client.send_bytes(sent)
    answer = await client.answer()
    assert (answer.status, answer.body) == (408, b"login_timeout\n")
    await client.at_end()
    await without_sessions(server)
    assert server.app.operations.status()["closes"] == {"login_timeout": 1}


async def test_upgrade_uses_up_the_time_for_the_login(start_server: StartServer) -> None:
    server = await start_server(**LISTEN, limits__login_timeout_s=1.0)
    client = await dial_websocket(server)
    assert await client.goodbye() == wire.LOGIN_TIMEOUT
    assert client.closed == (3004, "login_timeout")


async def test_connections_over_the_limit_are_refused_before_the_upgrade_over_both_listeners(
    start_server: StartServer, dial: Dial
) -> None:
    server = await start_server(**LISTEN, limits__connections_of_address_max=2)
    tcp, _ = await dial(server), await dial_websocket(server)
    third = await WebSocketRaw.open(server)
    answer = await third.answer()
    assert (answer.status, answer.body) == (503, b"too_many_connections\n")
    tcp.close()
    await without_sessions(server, left=1)
    await dial_websocket(server)


async def test_reload_takes_over_a_new_list_of_origins(server: Server) -> None:
    assert server.app.websocket is not None
    fresh = config.load(None, {"websocket.origins": '["https://other.example"]'}, environment={})
    server.app.apply(Reading(fresh, Credentials(KEYS, SEED_KEYS, None, {}, {})))
    await dial_websocket(server, Origin="https://other.example")
    client = await WebSocketRaw.open(server)
    await client.send_bytes(request(Origin="https://chat.example"))
    assert (await client.answer()).status == 403


# --- proxies --------------------------------------------------------------------------------------------------


async def behind_proxy(server: Server, forwarded_for: str | None) -> WebSocketRaw:
    client = await WebSocketRaw.open(server)
    await client.send_bytes(request(X_Forwarded_For=forwarded_for))
    assert (await client.answer()).status == 101
    client.hello = await client.read()
    return client


async def test_limits_hold_for_the_address_that_a_trusted_proxy_tells(start_server: StartServer) -> None:
    server = await start_server(
        **LISTEN, limits__connections_of_address_max=1, websocket__trusted_proxies='["127.0.0.0/8", "10.0.0.1"]'
    )
    clients = [
        await behind_proxy(server, CLIENT),
        await behind_proxy(server, f"{CLIENT}, {OTHER_CLIENT}, 10.0.0.1"),  # the client may have sent the first
        await behind_proxy(server, "2001:db8::1"),
    ]
    for forwarded_for in (CLIENT, f"9.9.9.9,{OTHER_CLIENT}", "2001:db8::2"):  # one IPv6 network is one address
        refused = await behind_proxy(server, forwarded_for)
        assert await refused.goodbye() == wire.TOO_MANY_CONNECTIONS
    for client in clients:
        client.close()
    await without_sessions(server)
    assert len(server.app.listener.addresses) == 0
    for client in (await behind_proxy(server, CLIENT), await behind_proxy(server, OTHER_CLIENT)):
        client.close()


async def test_connection_counts_for_its_proxy_if_the_proxy_tells_no_client(start_server: StartServer) -> None:
    server = await start_server(
        **LISTEN, limits__connections_of_address_max=1, websocket__trusted_proxies='["127.0.0.1"]'
    )
    first = await behind_proxy(server, None)
    for forwarded_for in ("", "unknown", "9.9.9.9, not an address", "127.0.0.1"):
        refused = await behind_proxy(server, forwarded_for)
        assert await refused.goodbye() == wire.TOO_MANY_CONNECTIONS, forwarded_for
    first.close()


async def test_address_that_an_untrusted_peer_tells_is_ignored(start_server: StartServer) -> None:
    server = await start_server(
        **LISTEN, limits__connections_of_address_max=1, websocket__trusted_proxies='["10.0.0.1"]'
    )
    first = await behind_proxy(server, CLIENT)
    second = await WebSocketRaw.open(server)
    await second.send_bytes(request(X_Forwarded_For=OTHER_CLIENT))
    assert (await second.answer()).status == 503
    first.close()


async def test_failed_logins_count_for_the_address_that_the_proxy_tells(start_server: StartServer) -> None:
    server = await start_server(
        **LISTEN,
        limits__failed_logins_of_address_per_s=0.001,
        limits__failed_logins_of_address_burst=1,
        websocket__trusted_proxies='["127.0.0.1"]',
    )
    forger = await behind_proxy(server, CLIENT)
    await forger.send(*forger.login_message(ALICE, proof=bytes(32)))
    assert await forger.goodbye() == wire.LOGIN_REFUSED
    again = await behind_proxy(server, CLIENT)
    assert await again.goodbye() == wire.TOO_MANY_FAILED_LOGINS
    other = await behind_proxy(server, OTHER_CLIENT)
    await other.login(ALICE)


# --- TLS ------------------------------------------------------------------------------------------------------


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


async def test_client_over_wss_is_served_with_the_certificate_of_the_server(
    start_server: StartServer, issuer: Issuer
) -> None:
    server = await start_server(**LISTEN, tls=server_context(*issuer.issue()))
    assert server.app.websocket is not None
    url = server.app.websocket.url
    assert url.startswith("wss://")
    async with Client(url, token(ALICE), ca_file=issuer.ca_file) as alice:
        assert await alice.balance() == 0
    await without_sessions(server)
    assert len(server.app.listener.addresses) == 0


async def test_new_certificate_is_used_over_wss_after_a_reload(start_server: StartServer, issuer: Issuer) -> None:
    server = await start_server(**LISTEN, tls=server_context(*issuer.issue()))
    fresh = server_context(*issuer.issue())
    server.app.listener.reload(fresh)
    assert [one.context for one in server.app.listener._servers] == [fresh, fresh]  # type: ignore[union-attr]


async def test_websocket_without_tls_beside_tcp_with_tls_if_a_proxy_ends_it(
    start_server: StartServer, issuer: Issuer
) -> None:
    server = await start_server(**LISTEN, websocket__tls=False, tls=server_context(*issuer.issue()))
    assert server.url.startswith("tls://")
    await dial_websocket(server, ALICE)


# --- the SDK --------------------------------------------------------------------------------------------------


async def test_sdk_tells_a_refused_upgrade_from_a_server_that_is_busy(start_server: StartServer) -> None:
    server = await start_server(**LISTEN, limits__connections_of_address_max=1)
    assert server.app.websocket is not None
    url = server.app.websocket.url
    async with Client(url, token(ALICE)):
        busy = Client(url, token(ALICE))
        with pytest.raises(ConnectionLost, match="503 too_many_connections"):
            await busy.connect(patience_s=0)
    with pytest.raises((ConnectionLost, ConnectionRefusedForGood)):
        await Client(server.url.replace("tcp", "ws"), token(ALICE)).connect(patience_s=0)  # it speaks first


async def without_sessions(server: Server, left: int = 0) -> None:
    async with wire.bounded():
        while len(server.app.listener.sessions) > left:  # noqa: ASYNC110
            await asyncio.sleep(0)
    server.app.listener.addresses.tidy(float("inf"))
