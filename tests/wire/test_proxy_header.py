"""Connections through proxies that speak the PROXY protocol: over TCP and WebSocket, and through a real HAProxy."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from server.net.address_limits import address_of
from server.ops.socket.lookups import _connection
from tests.conftest import Server, StartServer
from tests.protocol.test_proxy_header import BAD, IPV4, IPV6, header
from tests.websocket.raw import WebSocketRaw, port_of, request
from tests.wire import raw as wire
from tests.wire.raw import Raw

ALICE = 101
PROXIED = {"server__proxy_protocol": '["127.0.0.0/8"]', "limits__connections_of_address_max": 1}
WEBSOCKET = {"websocket__listen": "127.0.0.1:0", "websocket__proxy_protocol": '["127.0.0.1"]'}
OTHER_IPV4 = socket.inet_aton("203.0.113.8") + IPV4[4:]
PIECE_S = 0.01


@asynccontextmanager
async def connected(
    server: Server, first: bytes, port: int = 0, kind: type[Raw] = Raw, source: str = "127.0.0.1"
) -> AsyncIterator[Raw]:
    """A connection that begins with these bytes."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setblocking(False)
    opened.bind((source, 0))
    raw = kind(opened)
    try:
        await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", port or server.port))
        await raw.send_bytes(first)
        yield raw
    finally:
        raw.close()


@asynccontextmanager
async def connected_to_websocket(server: Server, first: bytes) -> AsyncIterator[WebSocketRaw]:
    """The same over WebSocket."""
    async with connected(server, first, port_of(server), WebSocketRaw) as client:
        assert isinstance(client, WebSocketRaw)
        yield client


async def test_limits_hold_for_the_address_that_the_header_tells(start_server: StartServer) -> None:
    server = await start_server(**PROXIED)
    async with connected(server, header(IPV4)) as first, connected(server, header(IPV6, 0x21)) as second:
        for client in (first, second):
            client.hello = await client.read()
            await client.login(ALICE)
        for again in (header(IPV4), header(IPV6, 0x21)):
            async with connected(server, again) as client:
                assert await client.goodbye() == wire.TOO_MANY_CONNECTIONS
        async with connected(server, header(OTHER_IPV4)) as third:
            third.hello = await third.read()
            await third.login(ALICE)
            addresses = {session.address for session in server.app.listener.sessions.values()}
            hosts = ("203.0.113.7", "203.0.113.8", "2001:db8::7")
            assert addresses == {address_of((host, 0)) for host in hosts}


@pytest.mark.parametrize(
    ("first", "shown"), [(header(IPV4), "203.0.113.7"), (header(IPV6, 0x21), "2001:db8::/64")], ids=["ipv4", "ipv6"]
)
async def test_operators_see_the_address_that_the_header_tells(
    start_server: StartServer, first: bytes, shown: str
) -> None:
    server = await start_server(**PROXIED)
    async with connected(server, first) as client:
        client.hello = await client.read()
        (session,) = server.app.listener.sessions.values()
        assert _connection(session, 0.0)["address"] == shown
    async with connected(server, header(b"", 0x00, 0x20)) as client:
        client.hello = await client.read()
        (session,) = (one for one in server.app.listener.sessions.values() if not one.is_proxied)
        assert str(_connection(session, 0.0)["address"]).startswith("127.0.0.1:")


async def test_header_in_pieces_and_with_the_login_behind_it_is_read(start_server: StartServer) -> None:
    server = await start_server(**PROXIED)
    data = header(IPV4 + b"\x04\x00\x01a")
    async with connected(server, data[:1]) as client:
        for at in range(1, len(data), 7):
            await asyncio.sleep(PIECE_S)
            await client.send_bytes(data[at : at + 7])
        client.hello = await client.read()
        await client.login(ALICE)
    async with connected(server, header(OTHER_IPV4) + wire.framed(wire.GET_BALANCE, 1)) as client:
        assert await client.goodbye() == wire.LOGIN_EXPECTED  # what is behind the header is read


async def test_bad_header_of_a_proxy_ends_the_connection(start_server: StartServer) -> None:
    server = await start_server(**PROXIED)
    for name, sent in BAD.items():
        async with connected(server, sent) as client:
            assert (name, await client.goodbye()) == (name, wire.BAD_FRAME)


async def test_connection_of_the_proxy_itself_counts_for_its_own_address(start_server: StartServer) -> None:
    server = await start_server(**PROXIED)
    async with connected(server, header(b"", 0x00, 0x20)) as client:
        client.hello = await client.read()
        await client.login(ALICE)
        (session,) = server.app.listener.sessions.values()
        assert session.address == address_of(("127.0.0.1", 0))


async def test_connection_without_a_header_in_time_ends(start_server: StartServer) -> None:
    server = await start_server(**PROXIED, limits__login_timeout_s=0.2)
    async with connected(server, header(IPV4)[:20]) as client:
        assert await client.goodbye() == wire.LOGIN_TIMEOUT


async def test_header_of_an_untrusted_address_is_no_header(start_server: StartServer) -> None:
    server = await start_server(server__proxy_protocol='["10.0.0.1"]')
    async with connected(server, header(IPV4)) as client:
        assert await client.goodbye() == wire.FRAME_TOO_LARGE  # the signature, read as a length
    async with connected(server, b"") as client:
        client.hello = await client.read()
        await client.login(ALICE)
        (session,) = server.app.listener.sessions.values()
        assert session.address == address_of(("127.0.0.1", 0))


async def test_header_comes_before_the_upgrade_of_websocket(start_server: StartServer) -> None:
    server = await start_server(**WEBSOCKET, limits__connections_of_address_max=1)
    async with connected_to_websocket(server, header(IPV4) + request(X_Forwarded_For="9.9.9.9")) as client:
        assert (await client.answer()).status == 101
        client.hello = await client.read()
        await client.login(ALICE)
        (session,) = server.app.listener.sessions.values()
        assert session.address == address_of(("203.0.113.7", 0))
    for first in (request(), BAD["version 3"]):
        async with connected_to_websocket(server, first) as client:
            assert (await client.answer()).status == 400


async def test_forwarded_for_is_read_behind_a_header_that_names_a_trusted_proxy(start_server: StartServer) -> None:
    server = await start_server(**WEBSOCKET, websocket__trusted_proxies='["203.0.113.7"]')
    async with connected_to_websocket(server, header(IPV4) + request(X_Forwarded_For="9.9.9.9")) as client:
        assert (await client.answer()).status == 101
        client.hello = await client.read()
        (session,) = server.app.listener.sessions.values()
        assert session.address == address_of(("9.9.9.9", 0))


HAPROXY = """
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen hongbao
  bind fd@{fd}
  server one 127.0.0.1:{port} send-proxy-v2
"""


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="no haproxy on this machine: apt install haproxy")
async def test_client_through_haproxy_has_its_own_address(start_server: StartServer, tmp_path: Path) -> None:
    server = await start_server(server__proxy_protocol='["127.0.0.1"]')
    with socket.create_server(("127.0.0.1", 0)) as listening:
        file = tmp_path / "haproxy.cfg"
        file.write_text(HAPROXY.format(fd=listening.fileno(), port=server.port))
        proxy = await asyncio.create_subprocess_exec(
            "haproxy", "-f", str(file), "-db", pass_fds=(listening.fileno(),), cwd=tmp_path
        )
        try:
            async with connected(server, b"", listening.getsockname()[1], source="127.0.0.9") as client:
                client.hello = await client.read()
                await client.login(ALICE)
                (session,) = server.app.listener.sessions.values()
                assert session.address == address_of(("127.0.0.9", 0))
        finally:
            with suppress(ProcessLookupError):
                proxy.terminate()
            await proxy.wait()
