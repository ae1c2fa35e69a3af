"""Sockets that the supervisor holds: one address, and connections that outlive the process that listened."""

from __future__ import annotations

import asyncio
import socket

import pytest

from server.config import Config, load
from server.workers.held_sockets import HeldAddresses, close
from tests.conftest import PATIENCE_S


def config(**keys: object) -> Config:
    return load(None, {key.replace("__", "."): value for key, value in {"server__port": 0, **keys}.items()}, {})


def test_all_sockets_have_one_address_and_a_port_0_is_chosen_once() -> None:
    office = {"office__enabled": "true", "office__listen": "127.0.0.1:0"}
    addresses = HeldAddresses(config(websocket__listen="127.0.0.1:0", http_api__address="127.0.0.1:0", **office))
    held = [addresses.bind() for _ in range(3)]
    names = [[one.getsockname() for one in sockets if one is not None] for sockets in held]
    assert names[0] == names[1] == names[2]
    assert len(set(names[0])) == 4
    assert addresses.port == names[0][0][1]
    for sockets in held:
        close(sockets)


def test_address_that_is_not_configured_has_no_socket() -> None:
    held = HeldAddresses(config()).bind()
    assert (held.websocket, held.http_api, held.office) == (None, None, None)
    close(held)


def test_socket_takes_no_connection_before_a_worker_listens() -> None:
    addresses = HeldAddresses(config())
    held = addresses.bind()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", addresses.port), timeout=PATIENCE_S)
    close(held)


def test_taken_port_is_refused_with_its_key() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=r"websocket\.listen"):
            HeldAddresses(config(websocket__listen=f"127.0.0.1:{port}"))


def test_name_of_several_addresses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that were told the other one would be refused, and a port 0 would differ."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(
        OSError, match=r"^--host two is several addresses; with workers name one: 127.0.0.1, 127.0.0.2"
    ):
        HeldAddresses(config(server__host="two"))


async def test_connection_that_waits_is_accepted_by_the_successor_without_delay_of_small_writes() -> None:
    """The first listener closes its copy of the socket; what waits there waits on."""
    addresses = HeldAddresses(config())
    kept = addresses.bind().main
    assert kept is not None
    before = kept.dup()
    before.listen()
    with socket.create_connection(("127.0.0.1", addresses.port), timeout=PATIENCE_S) as waiting:
        before.close()
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        class Successor(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                connected = transport.get_extra_info("socket")
                accepted.set_result(connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                transport.close()

        server = await asyncio.get_running_loop().create_server(Successor, sock=kept)
        async with asyncio.timeout(PATIENCE_S):
            assert await accepted == 1
        server.close()
        await server.wait_closed()
        waiting.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(waiting, 1) == b""
