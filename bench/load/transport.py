"""A connection that only measures: it sends prebuilt frames, reads replies, and does as little as possible else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, cast

from client_sim.sdk.transport import SCHEMES, framing_of, parse_url, tls_of
from protocol import messages
from protocol.framing import LENGTH_BYTES, FrameSplitter, Framing, frame
from protocol.messages import Message
from protocol.tokens import Token

FRAME_BYTES_MAX: Final = 1 << 20
HTTP: Final = "http"  # of an HttpConnection
CONCURRENT_LOGINS: Final = 200
LOGIN_TIMEOUT_S: Final = 30.0

# The kind is the second byte of a payload, behind the array's length: as it is up to 127, else MessagePack's 0xcc.
_KINDS = [messages.kind_of(push) for push in messages.PUSHES]
FIRST_PUSH: Final = min(_KINDS)
LAST_PUSH: Final = max(_KINDS)


class MeasuredConnection(asyncio.Protocol):
    """One user's connection. Every reply goes to `on_reply`; pushes are counted by their kind, not decoded.

    Requests that are sent while bytes are being read leave in one write after the read.
    """

    __slots__ = (
        *("_outgoing", "_reading", "_splitter", "_token", "_transport"),
        *("end_reason", "on_lost", "on_reply", "pings", "pushes", "ready"),
    )

    def __init__(self, token: Token) -> None:
        self._token = token
        self._splitter: Framing = FrameSplitter(FRAME_BYTES_MAX)
        self._outgoing: list[bytes] = []
        self._reading = False
        self._transport: asyncio.Transport | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_reply: Callable[[Message], None] = self._log_in
        self.on_lost: Callable[[], None] = lambda: None
        self.end_reason = ""  # "" while the connection is open
        self.pings = 0
        self.pushes = 0

    @property
    def user_id(self) -> int:
        return self._token.user_id

    def detach(self) -> None:
        """Ignore replies and the end of the connection from now on."""
        self.on_reply = lambda _: None
        self.on_lost = lambda: None

    def close(self) -> None:
        self.detach()
        if self._transport is not None:
            self._transport.abort()

    def send(self, framed: bytes) -> None:
        """Write a frame, or keep it until the bytes at hand have been read."""
        if self._reading:
            self._outgoing.append(framed)
        elif self._transport is not None:
            self._transport.write(framed)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Handle every payload that these bytes complete, then write once."""
        payloads: list[bytes] = []
        self._splitter.take(data, payloads)
        self._reading = True
        for payload in payloads:
            kind = payload[1]
            if kind > LAST_PUSH:
                self.on_reply(messages.decode_from_server(payload))
            elif kind >= FIRST_PUSH:
                self.pushes += 1
            else:
                self._on_control(messages.decode_from_server(payload))
        self._reading = False
        if self._outgoing and self._transport is not None:
            self._transport.write(b"".join(self._outgoing))
            self._outgoing.clear()

    def connection_lost(self, error: Exception | None) -> None:
        """Report the end to the login or to `on_lost`."""
        self._transport = None
        self.end_reason = self.end_reason or str(error or "") or "the connection was closed"
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"user {self.user_id} cannot log in: {self.end_reason}"))
        self.on_lost()

    def _on_control(self, message: Message) -> None:
        match message:
            case messages.Hello():
                self.send(frame(messages.encode(self._token.login(message.nonce))))
            case messages.Ping():
                self.pings += 1
                self.send(frame(messages.encode(messages.Pong(message.seq))))
            case messages.Goodbye():
                self.end_reason = f"{message.name} {message.detail}".strip()
            case _:  # a reply of more than 15 fields, whose kind stands two bytes further on
                self.on_reply(message)

    def _log_in(self, reply: Message) -> None:
        if isinstance(reply, messages.Welcome):
            self.detach()
            self.ready.set_result(None)
        else:
            self.end_reason = getattr(reply, "name", type(reply).__name__)
            self.close()


class MeasuredWebSocket(MeasuredConnection):
    """The same over WebSocket: frames are masked as they leave."""

    def __init__(self, token: Token, framing: Framing) -> None:
        super().__init__(token)
        self._splitter = framing
        framing.frame_bytes_max = FRAME_BYTES_MAX

    def send(self, framed: bytes) -> None:
        super().send(self._splitter.frame(framed[LENGTH_BYTES:]))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        cast("asyncio.Transport", transport).write(self._splitter.take_control())

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        while self._splitter.unread:
            super().data_received(b"")


def connection_to(url: str, token: Token) -> MeasuredConnection:
    """A connection for this url."""
    framing = framing_of(url)
    return MeasuredConnection(token) if framing is None else MeasuredWebSocket(token, framing)


async def log_in(url: str, connections: Sequence[MeasuredConnection], ca_file: str | None = None) -> None:
    """Connect all of these, CONCURRENT_LOGINS at a time. Raises OSError; then all of them are closed."""
    host, port = parse_url(url, *SCHEMES, HTTP)
    loop, tls = asyncio.get_running_loop(), tls_of(url, ca_file)
    try:
        for first in range(0, len(connections), CONCURRENT_LOGINS):
            batch = connections[first : first + CONCURRENT_LOGINS]
            async with asyncio.timeout(LOGIN_TIMEOUT_S):
                await asyncio.gather(
                    *(
                        loop.create_connection(partial(lambda connection: connection, one), host, port, ssl=tls)
                        for one in batch
                    )
                )
                await asyncio.gather(*(one.ready for one in batch))
    except BaseException:
        for connection in connections:
            connection.close()
        raise
