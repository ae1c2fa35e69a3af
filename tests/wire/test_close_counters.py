"""Every close of a connection by the server is counted by its reason; the status has the counts."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from server.net.tls import server_context
from tests.conftest import Server, StartServer
from tests.issuer import Issuer
from tests.wire import raw as wire
from tests.wire.conftest import Dial

ALICE = 101


async def closes(server: Server, expected: int) -> dict[str, int]:
    """The counts in the status, after this number of closes."""
    async with wire.bounded():
        while True:
            found: dict[str, int] = server.app.operations.status()["closes"]
            if sum(found.values()) >= expected:
                return found
            await asyncio.sleep(0)


async def test_closes_are_counted_by_reason(start_server: StartServer, dial: Dial) -> None:
    server = await start_server(limits__connections_of_user_max=2)
    one, two = await dial(server, ALICE), await dial(server, ALICE)
    three, large, forged = [await dial(server) for _ in range(3)]
    wire.use_timing(server, login_timeout_s=0.1)
    silent = await dial(server)
    await three.send(*three.login_message(ALICE))
    await large.send_bytes(b"\xff\xff\xff\xff")
    await forged.send(*forged.login_message(ALICE, proof=bytes(32)))
    assert await silent.goodbye() == wire.LOGIN_TIMEOUT
    one.close()  # closed by the client: not counted
    assert await two.ask(wire.GET_BALANCE) == [0, 0]
    assert await closes(server, 4) == {
        "too_many_connections": 1,
        "frame_too_large": 1,
        "login_refused": 1,
        "login_timeout": 1,
    }


async def test_connections_rejected_before_the_handshake_are_counted(
    start_server: StartServer, tmp_path: Path
) -> None:
    context = server_context(*Issuer(tmp_path).issue())
    server = await start_server(tls=context, limits__connections_of_address_max=1)
    with socket.create_connection(("127.0.0.1", server.port)):  # no handshake, but a connection
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", server.port)):
                pass
        assert await closes(server, 3) == {"too_many_connections": 3}
