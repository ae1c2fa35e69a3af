"""A connection that only measures: prebuilt frames out, replies in, and as little as possible in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, cast

from client_sim.sdk.transport import parse_url, tls_of
from protocol import messages
from protocol.framing import FrameSplitter, frame
from protocol.messages import Message
from protocol.tokens import Token

FRAME_BYTES_MAX: Final = 1 << 20
LOGINS_AT_ONCE: Final = 200
LOGIN_WITHIN_S: Final = 30.0

# The kind is the second byte of a payload, behind the array's length: as it is up to 127, else MessagePack's 0xcc.
_KINDS = [messages.kind_of(push) for push in messages.PUSHES]
FIRST_PUSH: Final = min(_KINDS)
LAST_PUSH: Final = max(_KINDS)


def _nobody(_: Message) -> None:
    """Whoever asked has gone."""


class MeasuredConnection(asyncio.Protocol):
    """One user's connection. Every reply goes to `hear`; pushes are counted by their kind, not decoded.

    What is sent while bytes are being read leaves in one write when they have been.
    """

    __slots__ = (
        "_outgoing",
        "_reading",
        "_splitter",
        "_token",
        "_transport",
        "hear",
        "lost",
        "pings",
        "pushes",
        "ready",
        "why",
    )

    def __init__(self, token: Token) -> None:
        self._token = token
        self._splitter = FrameSplitter(FRAME_BYTES_MAX)
        self._outgoing: list[bytes] = []
        self._reading = False
        self._transport: asyncio.Transport | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.hear: Callable[[Message], None] = self._welcomed
        self.lost: Callable[[], None] = lambda: None
        self.why = ""  # it ended, if it has
        self.pings = 0
        self.pushes = 0

    @property
    def user_id(self) -> int:
        """Whose connection this is."""
        return self._token.user_id

    def rest(self) -> None:
        """Nobody waits for replies any more."""
        self.hear = _nobody
        self.lost = lambda: None

    def close(self) -> None:
        """Hang up."""
        self.rest()
        if self._transport is not None:
            self._transport.abort()

    def send(self, framed: bytes) -> None:
        """Write a frame, or keep it until the bytes at hand have been read."""
        if self._reading:
            self._outgoing.append(framed)
        elif self._transport is not None:
            self._transport.write(framed)

    # --- called by the event loop -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the hello."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand on what these bytes complete, then write once."""
        payloads: list[bytes] = []
        self._splitter.take(data, payloads)
        self._reading = True
        for payload in payloads:
            kind = payload[1]
            if kind > LAST_PUSH:
                self.hear(messages.decode_from_server(payload))
            elif kind >= FIRST_PUSH:
                self.pushes += 1
            else:
                self._attend(messages.decode_from_server(payload))
        self._reading = False
        if self._outgoing and self._transport is not None:
            self._transport.write(b"".join(self._outgoing))
            self._outgoing.clear()

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits for this connection hears of its end."""
        self._transport = None
        self.why = self.why or str(error or "") or "the connection was closed"
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"user {self.user_id} cannot log in: {self.why}"))
        self.lost()

    def _attend(self, message: Message) -> None:
        """The connection's own affairs."""
        match message:
            case messages.Hello():
                self.send(frame(messages.encode(self._token.login(message.nonce))))
            case messages.Ping():
                self.pings += 1
                self.send(frame(messages.encode(messages.Pong(message.seq))))
            case messages.Goodbye():
                self.why = f"{message.name} {message.detail}".strip()

    def _welcomed(self, reply: Message) -> None:
        if isinstance(reply, messages.Welcome):
            self.rest()
            self.ready.set_result(None)
        else:
            self.why = getattr(reply, "name", type(reply).__name__)
            self.close()


def _itself(wire: MeasuredConnection) -> MeasuredConnection:
    return wire


async def connect(url: str, tokens: Sequence[Token]) -> list[MeasuredConnection]:
    """A connection for each of these, logged in. Raises OSError."""
    wires = [MeasuredConnection(token) for token in tokens]
    await log_in(url, wires)
    return wires


async def log_in(url: str, wires: Sequence[MeasuredConnection], ca_file: str | None = None) -> None:
    """Connect all of these, LOGINS_AT_ONCE at a time. Raises OSError, and then all have hung up."""
    host, port = parse_url(url, "tcp", "tls")
    loop, tls = asyncio.get_running_loop(), tls_of(url, ca_file)
    try:
        for first in range(0, len(wires), LOGINS_AT_ONCE):
            batch = wires[first : first + LOGINS_AT_ONCE]
            async with asyncio.timeout(LOGIN_WITHIN_S):
                await asyncio.gather(
                    *(loop.create_connection(partial(_itself, one), host, port, ssl=tls) for one in batch)
                )
                await asyncio.gather(*(one.ready for one in batch))
    except BaseException:
        for wire in wires:
            wire.close()
        raise
