"""Fixtures of the tests of WebSocket: raw clients, and the checks of the wire tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.conftest import Server, StartServer
from tests.websocket.raw import WebSocketRaw
from tests.wire.conftest import dial, quiet_log, unharmed

__all__ = ["dial", "quiet_log", "unharmed"]

LISTEN = {"websocket__listen": "127.0.0.1:0"}


@pytest.fixture
async def server(start_server: StartServer, unharmed: Callable[[Server], Awaitable[None]]) -> AsyncIterator[Server]:
    """A server that also listens for WebSocket. After the test it must work and have no connection left."""
    started = await start_server(**LISTEN, websocket__origins='["https://chat.example"]')
    yield started
    await unharmed(started)


@pytest.fixture(autouse=True)
async def close_connections() -> AsyncIterator[None]:
    """No connection of a test outlives it."""
    yield
    while WebSocketRaw.opened:
        WebSocketRaw.opened.pop().close()


async def dial_websocket(server: Server, user_id: int | None = None, **headers: str | None) -> WebSocketRaw:
    """An upgraded connection, logged in if a user is given."""
    client = await (await WebSocketRaw.open(server)).upgrade(**headers)
    if user_id is not None:
        await client.login(user_id)
    return client
