"""What a connection leaves to the garbage collector: nothing, because each of its passes delays all clients."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from client_sim.sdk.client import Client
from protocol.connection import ServerConnection
from server.net.read_flow import ReadFlow
from server.net.socket_session import SocketSession
from tests.conftest import PATIENCE_S, Server, StartServer, token

OF_A_CONNECTION = (SocketSession, ReadFlow, ServerConnection)


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    return await start_server(websocket__listen="127.0.0.1:0")


@pytest.fixture
def uncollected() -> Iterator[None]:
    """The collector does not run by itself."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> list[object]:
    """What there is of connections of the server."""
    return [one for one in gc.get_objects() if isinstance(one, OF_A_CONNECTION)]


@pytest.mark.parametrize("over", ["TCP", "WebSocket"])
@pytest.mark.usefixtures("uncollected")
async def test_connection_that_has_ended_needs_no_garbage_collector(server: Server, over: str) -> None:
    assert server.app.websocket is not None
    url = server.url if over == "TCP" else server.app.websocket.url
    for _ in range(3):
        async with Client(url, token(1)):
            assert len(alive()) == len(OF_A_CONNECTION)
        async with asyncio.timeout(PATIENCE_S):
            while alive():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
