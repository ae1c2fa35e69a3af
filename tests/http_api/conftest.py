"""A server with the HTTP API, and a chat backend that speaks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from tests.conftest import Server, StartServer
from tests.http_api.client import Api

ADDRESS = "127.0.0.1:0"
Dial = Callable[[Server], Awaitable[Api]]


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    """One server with the HTTP API."""
    return await start_server(http_api__address=ADDRESS)


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    """Makes backends of servers."""
    async with AsyncExitStack() as stack:

        async def one(server: Server) -> Api:
            return await stack.enter_async_context(Api(server.app.http_api.url))

        yield one


@pytest.fixture
async def api(server: Server, dial: Dial) -> Api:
    """The chat backend."""
    return await dial(server)
