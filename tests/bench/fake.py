"""A tiny server for the harness to measure: it greets, lets everybody in, and answers as a test wants it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from bench.load import transport
from bench.load.transport import MeasuredConnection
from protocol import messages, tokens
from protocol.framing import FrameSplitter, frame
from protocol.messages import Message

KEY = b"only for the fake"
FIRST_USER = 5_000


class Guest(asyncio.Protocol):
    """One connection as the fake sees it."""

    def __init__(self, fake: Fake) -> None:
        self._fake = fake
        self._splitter = FrameSplitter(1 << 20)
        self.reads = 0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._fake.guests.append(self)
        self.say(messages.Hello(0, 1, b"0" * 16, "none", 25_000, 8_000, 0, {}))

    def data_received(self, data: bytes) -> None:
        self.reads += 1
        payloads: list[bytes] = []
        self._splitter.take(data, payloads)
        for payload in payloads:
            request = messages.decode_from_client(payload)
            if isinstance(request, messages.Login):
                self._greet(request)
            elif isinstance(request, messages.Pong):
                self._fake.pongs += 1
            else:
                self._fake.asked += 1
                self._fake.answer(self, request)

    def _greet(self, login: messages.Login) -> None:
        words = self._fake.welcome(login)
        self.say(words)
        if isinstance(words, messages.Goodbye):
            self.transport.close()

    def say(self, *said: Message) -> None:
        """All in one write."""
        self.transport.write(b"".join(frame(messages.encode(message)) for message in said))


class Fake:
    """The server. `answer` is called with every request; by default each is told that the packet is gone."""

    def __init__(self) -> None:
        self.guests: list[Guest] = []
        self.answer: Callable[[Guest, Message], None] = lambda guest, request: guest.say(gone(request))
        self.welcome: Callable[[messages.Login], Message] = lambda login: messages.Welcome(0, login.user_id, 0, [])
        self.asked = 0
        self.pongs = 0
        self.url = ""

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that is bound to happen soon."""
        for _ in range(5_000):
            if holds():
                return
            await asyncio.sleep(0.001)
        raise AssertionError("it did not happen")

    async def wires(self, count: int) -> list[MeasuredConnection]:
        """So many users log in."""
        users = range(FIRST_USER, FIRST_USER + count)
        return await transport.connect(self.url, [tokens.mint(user_id, 2**31, "k", KEY) for user_id in users])


def gone(request: Message) -> messages.Grabbed:
    """The usual answer."""
    return messages.Grabbed(request.seq, getattr(request, "packet_id", 1), "gone")


@asynccontextmanager
async def serving() -> AsyncIterator[Fake]:
    """The fake on loopback."""
    fake = Fake()
    server = await asyncio.get_running_loop().create_server(lambda: Guest(fake), "127.0.0.1", 0)
    fake.url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
        for guest in fake.guests:
            guest.transport.abort()
        await asyncio.sleep(0)
