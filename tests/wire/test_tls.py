"""TLS: the same protocol; old versions and slow handshakes are refused, each handshake counts as a connection."""

from __future__ import annotations

import asyncio
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import ConnectionLost
from server.net.tls import TlsListener, server_context
from tests.conftest import PATIENCE_S, Server, StartServer, token
from tests.issuer import Issuer
from tests.joining import join
from tests.wire import raw as wire

ALICE, BOB = 1, 2
HELLO_KIND = b"\x01"


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


@pytest.fixture
async def secure(start_server: StartServer, issuer: Issuer) -> Server:
    """A server with TLS."""
    return await start_server(tls=server_context(*issuer.issue()))


@asynccontextmanager
async def plain_connection(server: Server) -> AsyncIterator[socket.socket]:
    """A connection without any message."""
    with socket.socket() as opened:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", server.port))
        yield opened


@pytest.fixture
async def plain(secure: Server) -> AsyncIterator[socket.socket]:
    """One to the server with TLS."""
    async with plain_connection(secure) as opened:
        yield opened


def tls_listener_of(server: Server) -> TlsListener:
    (listener,) = server.app.listener._servers
    assert isinstance(listener, TlsListener)
    return listener


def context_that_trusts(issuer: Issuer) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=issuer.ca_file)


async def until_no_connections(server: Server) -> None:
    async with wire.bounded():
        listener = server.app.listener
        while tls_listener_of(server).under_way or listener.sessions or len(listener.addresses):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def end_of(opened: socket.socket) -> bytes:
    """All bytes until the server closes the connection. Bounded."""
    said = b""
    async with wire.bounded():
        with suppress(ConnectionError):
            while data := await asyncio.get_running_loop().sock_recv(opened, 4096):
                said += data
    return said


async def test_login_send_and_open_work_with_tls(secure: Server, issuer: Issuer) -> None:
    assert secure.url == f"tls://127.0.0.1:{secure.port}"
    async with (
        Client(secure.url, token(0), ca_file=issuer.ca_file) as backend,
        Client(secure.url, token(ALICE), ca_file=issuer.ca_file) as alice,
        Client(secure.url, token(BOB), ca_file=issuer.ca_file) as bob,
    ):
        await backend.top_up(ALICE, 1000)
        sent = await alice.send_packet("personal", BOB, 888)
        assert (await bob.open(sent.packet_id)).amount_fen == 888
        group = await alice.create_group("family")
        await join(bob, group, alice)
        for _ in range(100):
            await alice.say(group, "x" * 2000)
        posts = await bob.catch_up(group, 0)
        assert isinstance(posts, list)
        assert len(posts) == 100  # much more than one TLS record
    await until_no_connections(secure)


async def test_sdk_refuses_an_unknown_issuer_and_another_host_name(secure: Server, issuer: Issuer) -> None:
    with pytest.raises(ConnectionLost, match=r"certificate|CERTIFICATE"):
        await Client(secure.url, token(ALICE)).connect(patience_s=0)
    elsewhere = secure.url.replace("127.0.0.1", "localhost")
    with pytest.raises(ConnectionLost, match=r"certificate|CERTIFICATE|mismatch"):
        await Client(elsewhere, token(ALICE), ca_file=issuer.ca_file).connect(patience_s=0)
    await until_no_connections(secure)


@pytest.mark.parametrize(
    ("newest", "is_served"), [("TLSv1", False), ("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)]
)
async def test_tls_is_1_2_or_newer(secure: Server, issuer: Issuer, newest: str, is_served: bool) -> None:
    context = context_that_trusts(issuer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion[newest]
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # so that the server refuses, and not this client
    connecting = asyncio.open_connection("127.0.0.1", secure.port, ssl=context)
    if not is_served:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await connecting
    else:
        reader, writer = await connecting
        length = int.from_bytes(await reader.readexactly(4), "big")
        assert (await reader.readexactly(length))[1:2] == HELLO_KIND
        writer.transport.abort()
    await until_no_connections(secure)


async def test_client_without_tls_is_closed_at_once(secure: Server, plain: socket.socket) -> None:
    await asyncio.get_running_loop().sock_sendall(plain, wire.framed(wire.PING, 1) * 10)
    async with asyncio.timeout(PATIENCE_S):
        assert HELLO_KIND + b"\0" not in await end_of(plain)
    await until_no_connections(secure)


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"], ids=["empty", "partial"])
async def test_unfinished_handshake_is_closed_after_the_timeout(
    start_server: StartServer, issuer: Issuer, said: bytes
) -> None:
    server = await start_server(tls=server_context(*issuer.issue()), limits__login_timeout_s=0.5)
    async with plain_connection(server) as plain:
        await asyncio.get_running_loop().sock_sendall(plain, said)
        assert await end_of(plain) == b""
        await until_no_connections(server)


async def test_handshakes_count_as_connections(start_server: StartServer, issuer: Issuer) -> None:
    server = await start_server(tls=server_context(*issuer.issue()), limits__connections_of_address_max=5)
    loop = asyncio.get_running_loop()
    async with Client(server.url, token(ALICE), ca_file=issuer.ca_file) as alice:
        silent = [socket.socket() for _ in range(30)]
        for one in silent:
            one.setblocking(False)
            await loop.sock_connect(one, ("127.0.0.1", server.port))
        assert [await end_of(one) for one in silent[4:]] == [b""] * 26  # closed before the handshake
        assert tls_listener_of(server).under_way == 4
        assert await alice.balance() == 0
        for one in silent:
            one.close()
        async with wire.bounded():
            while tls_listener_of(server).under_way:
                await alice.balance()
        async with Client(server.url, token(BOB), ca_file=issuer.ca_file) as bob:
            assert await bob.balance() == 0
    await until_no_connections(server)


async def test_connections_up_to_the_limit_are_accepted(start_server: StartServer, issuer: Issuer) -> None:
    server = await start_server(tls=server_context(*issuer.issue()), limits__connections_of_address_max=3)
    clients = [Client(server.url, token(ALICE), ca_file=issuer.ca_file) for _ in range(3)]
    for client in clients:
        await client.connect()
    with pytest.raises(ConnectionLost):
        await Client(server.url, token(BOB), ca_file=issuer.ca_file).connect(patience_s=0)
    for client in clients:
        await client.close()


async def test_slow_reader_with_tls_is_closed_and_others_continue(
    start_server: StartServer, issuer: Issuer
) -> None:
    server = await start_server(tls=server_context(*issuer.issue()), limits__outgoing_bytes_max=1 << 16)
    async with Client(server.url, token(ALICE), ca_file=issuer.ca_file) as alice:
        group = await alice.create_group("storm")
        async with Client(server.url, token(BOB), ca_file=issuer.ca_file) as bob:
            await join(bob, group, alice)
            transport = bob._connection._transport._socket  # type: ignore[union-attr]
            assert transport is not None
            transport.pause_reading()
            async with asyncio.timeout(PATIENCE_S):
                while not server.app.listener.slow_readers:
                    await asyncio.gather(*(alice.say(group, "x" * 2000) for _ in range(50)))
            transport.resume_reading()
    await until_no_connections(server)


async def test_stop_closes_unfinished_handshakes(secure: Server, plain: socket.socket) -> None:
    async with wire.bounded():
        while not tls_listener_of(secure).under_way:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await secure.stop()
    assert await end_of(plain) == b""


async def test_handshake_that_has_begun_ends_with_the_goodbye_of_a_drain(
    secure: Server, plain: socket.socket, issuer: Issuer
) -> None:
    """The old worker of a rolling restart has accepted its connection: no other one can."""
    async with wire.bounded():
        while not tls_listener_of(secure).under_way:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    listener = secure.app.listener
    listener.stop_accepting()
    closing = asyncio.create_task(listener.close())
    for _ in range(3):
        await asyncio.sleep(0)
    assert not closing.done()
    context = ssl.create_default_context(cafile=issuer.ca_file)
    reader, writer = await asyncio.open_connection(sock=plain, ssl=context, server_hostname="127.0.0.1")
    async with wire.bounded():
        assert await reader.read()  # the hello and the goodbye, then the end
        await closing
    writer.close()
    await secure.stop()
