"""Receivers of webhooks, kind and hostile, and a server that may reach them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, NamedTuple, Self, TypeAlias

import asyncpg
import pytest
from aiohttp import web

from server import app
from server.core.webhooks.signing import text_of
from tests.conftest import PATIENCE_S, Server, StartServer
from tests.services.conftest import party

__all__ = ["party"]

LOOPBACK = ("127.0.0.0/8",)
KEY = bytes(range(32))
SECRET = text_of(KEY)
Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Respond = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@pytest.fixture(autouse=True)
def drain_webhooks_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Receivers of these tests may hang, and no test has to wait for them at its end."""
    monkeypatch.setattr(app, "DRAIN_WEBHOOKS_S", 0.05)


class Received(NamedTuple):
    """A request of a webhook."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        return json.loads(self.body)

    @property
    def type(self) -> str:
        return str(self.event["type"])

    @property
    def data(self) -> Any:
        return self.event["data"]


def signatures(received: Received) -> set[str]:
    return set(received.headers["webhook-signature"].split(" "))


def signed(received: Received, key: bytes) -> str:
    """The signature as docs/webhooks.md says, with nothing of the server."""
    signed = f"{received.headers['webhook-id']}.{received.headers['webhook-timestamp']}.".encode() + received.body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


async def accept(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=204)


class Receiver:
    """An HTTP server on a free port. `respond` may be replaced at any time."""

    def __init__(self, respond: Respond = accept) -> None:
        self.respond = respond
        self.received: list[Received] = []
        self.url = ""
        self._server = web.Server(self._serve, access_log=None)
        self._listening: asyncio.Server | None = None

    async def start(self, tls: ssl.SSLContext | None = None) -> Self:
        self._listening = await asyncio.get_running_loop().create_server(
            self._server, "127.0.0.1", 0, ssl=tls, backlog=512
        )
        port = self._listening.sockets[0].getsockname()[1]
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{port}/hooks"
        return self

    async def stop(self) -> None:
        if self._listening is not None:
            self._listening.close()
        await self._server.shutdown(0.1)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        names = ("webhook-id", "webhook-timestamp", "webhook-signature", "content-type")
        headers = {name: request.headers[name] for name in names}
        self.received.append(Received(headers, await request.read()))
        return await self.respond(request)

    def of(self, type: str) -> list[Received]:
        return [one for one in self.received if one.type == type]

    def count(self) -> Counter[str]:
        return Counter(one.type for one in self.received)

    async def wait_for(self, count: int, type: str = "") -> list[Received]:
        """The requests, of this type, once there are so many."""

        def found() -> list[Received]:
            return self.of(type) if type else self.received

        await until(lambda: len(found()) >= count)
        return found()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110  receivers set no event
            await asyncio.sleep(0.01)


MakeReceiver = Callable[..., Awaitable[Receiver]]


@pytest.fixture
async def make_receiver() -> AsyncIterator[MakeReceiver]:
    """Makes receivers: `await make_receiver(respond, tls=…)`."""
    async with AsyncExitStack() as stack:

        async def make(respond: Respond = accept, tls: ssl.SSLContext | None = None) -> Receiver:
            receiver = await Receiver(respond).start(tls)
            stack.push_async_callback(receiver.stop)
            return receiver

        yield make


@pytest.fixture
async def receiver(make_receiver: MakeReceiver) -> Receiver:
    """A receiver that accepts all."""
    return await make_receiver()


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    """One server that may send webhooks to this machine."""
    return await start_server(webhooks__allow_private=LOOPBACK, http_api__address="127.0.0.1:0")


async def subscribe(server: Server, receiver: Receiver, name: str = "shop", *types: str, **options: Any) -> None:
    """Make an endpoint."""
    await server.app.services.webhooks.put(name, receiver.url, types, SECRET, **options)
