"""A tiny server for the harness to measure: it accepts every login, and answers as the test defines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from bench.load.transport import MeasuredConnection, log_in
from protocol import messages, tokens
from protocol.framing import FrameSplitter, frame
from protocol.messages import Message
from tests.conftest import PATIENCE_S

KEY = b"only for the fake"
FIRST_USER = 5_000


class FakeSession(asyncio.Protocol):
    """One connection on the side of the fake server."""

    def __init__(self, fake: FakeServer) -> None:
        self._fake = fake
        self._splitter = FrameSplitter(1 << 20)
        self.reads = 0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._fake.sessions.append(self)
        self.send(messages.Hello(0, messages.VERSION, b"0" * 16, "none", 25_000, 8_000, 0, {}))

    def data_received(self, data: bytes) -> None:
        self.reads += 1
        payloads: list[bytes] = []
        self._splitter.take(data, payloads)
        for payload in payloads:
            request = messages.decode_from_client(payload)
            if isinstance(request, messages.Login):
                self._welcome(request)
            elif isinstance(request, messages.Pong):
                self._fake.pongs += 1
            else:
                self._fake.asked += 1
                self._fake.answer(self, request)

    def _welcome(self, login: messages.Login) -> None:
        reply = self._fake.welcome(login)
        self.send(reply)
        if isinstance(reply, messages.Goodbye):
            self.transport.close()

    def send(self, *replies: Message) -> None:
        """All in one write."""
        self.transport.write(b"".join(frame(messages.encode(message)) for message in replies))


class FakeServer:
    """`answer` is called with every request; the default reply is `gone`."""

    def __init__(self) -> None:
        self.sessions: list[FakeSession] = []
        self.answer: Callable[[FakeSession, Message], None] = lambda one, request: one.send(gone(request))
        self.welcome: Callable[[messages.Login], Message] = lambda login: messages.Welcome(0, login.user_id, 0, [])
        self.asked = 0
        self.pongs = 0
        self.url = ""

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that happens soon."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110  no event says so
                await asyncio.sleep(0.001)

    async def connect(self, count: int) -> list[MeasuredConnection]:
        """Log in so many users."""
        users = range(FIRST_USER, FIRST_USER + count)
        connections = [MeasuredConnection(tokens.mint(user_id, 2**31, "k", KEY)) for user_id in users]
        await log_in(self.url, connections)
        return connections


def gone(request: Message) -> messages.Grabbed:
    """The default reply."""
    return messages.Grabbed(request.seq, getattr(request, "packet_id", 1), "gone")


@asynccontextmanager
async def serving() -> AsyncIterator[FakeServer]:
    """The fake server on loopback."""
    fake = FakeServer()
    server = await asyncio.get_running_loop().create_server(lambda: FakeSession(fake), "127.0.0.1", 0)
    fake.url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
        for one in fake.sessions:
            one.transport.abort()
        await asyncio.sleep(0)
