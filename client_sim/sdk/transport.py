"""One socket connection of a client: asyncio on one side, protocol.connection on the other."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import msgspec

from client_sim.sdk.errors import ClientError, ConnectionLost, ConnectionRefusedForGood, MalformedUrl, in_words
from protocol import codes, messages
from protocol.client_connection import ClientConnection
from protocol.framing import Framing, FramingError
from protocol.tokens import Token

QUIET_GRACE_S = 2.0
FEATURES = (
    messages.REMINDERS,
    messages.AVATARS,
    messages.FISSION,
    messages.EXCLUSIVE,
    messages.PASSWORD,
    messages.ENTERPRISE,
    messages.ENTERPRISE_LUCKY,
    messages.ENTERPRISE_EQUAL,
    messages.RELAY,
)
SCHEMES = ("tcp", "tls", "ws", "wss")
WEB_PORTS = {"ws": 80, "wss": 443}  # the ports of urls that name none
TRY_LATER = (408, 429)  # HTTP statuses of a refused upgrade, besides 500 and above


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_url(url: str, *schemes: str) -> Address:
    """The address in `tcp://host:port`, or with one of these schemes instead. Raises MalformedUrl."""
    schemes = schemes or ("tcp",)
    try:
        parts = urlsplit(url)
        # of a port beyond 65535 urlsplit raises, with other words
        host, port = parts.hostname, parts.port or WEB_PORTS.get(parts.scheme)
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme not in schemes:
        raise MalformedUrl(f"{url!r} must look like {' or '.join(f'{scheme}://host:port' for scheme in schemes)}")
    return Address(host, port)


def tls_of(url: str, ca_file: str | None) -> ssl.SSLContext | None:
    """For `tls` and `wss`: trust the CAs in the file, or those of the system; the name of the host is checked."""
    if urlsplit(url).scheme not in ("tls", "wss"):
        return None
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def framing_of(url: str) -> Framing | None:
    """The framing for a new connection to a url; None: that of TCP."""
    if urlsplit(url).scheme not in WEB_PORTS:
        return None
    from protocol.websocket import WebSocketClientFraming  # clients over TCP need no library for it

    return WebSocketClientFraming(url)


class Handlers(NamedTuple):
    """Called with the welcome, then with each reply and push, then with the reason why the connection ended."""

    welcomed: Callable[[Transport, messages.Welcome], None]
    received: Callable[[messages.Message], None]
    lost: Callable[[ClientError], None]


class Transport(asyncio.Protocol):
    """Writes and reads frames, and aborts when the server has been silent for too long.

    `opened` is done when the login is accepted, and fails when it is refused.
    """

    __slots__ = (
        "_connection",
        "_flush_is_due",
        "_handlers",
        "_loop",
        "_quiet_timer",
        "_received_at",
        "_socket",
        "opened",
    )

    def __init__(self, token: Token, handlers: Handlers, framing: Framing | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = ClientConnection(token, FEATURES, framing)
        self._handlers = handlers
        self._socket: asyncio.Transport | None = None
        self._flush_is_due = False
        self._received_at = self._loop.time()
        self._quiet_timer: asyncio.TimerHandle | None = None
        self.opened: asyncio.Future[None] = self._loop.create_future()

    @property
    def hello(self) -> messages.Hello | None:
        """The server's first message; None until it has come."""
        return self._connection.hello

    def send(self, message: messages.Message) -> None:
        """Queue one message. All messages of one iteration of the loop leave in one write."""
        self._connection.send(message)
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        data = self._connection.data_to_send()
        if data and self._socket is not None and not self._socket.is_closing():
            self._socket.write(data)

    def close(self) -> None:
        """Send what is queued and close."""
        self._connection.end()
        self._flush()
        if self._socket is not None:
            self._socket.close()

    def abort(self) -> None:
        """Close the socket at once, without a goodbye."""
        if self._socket is not None:
            self._socket.abort()

    # --- asyncio.Protocol -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open. The server sends the first message; over WebSocket once it is asked to upgrade."""
        self._socket = cast(asyncio.Transport, transport)  # the class of uvloop has the methods but not the type
        self._received_at = self._loop.time()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Hand on the messages that these bytes complete; a login or a pong is sent at once."""
        self._received_at = self._loop.time()
        try:
            received = self._connection.receive_data(data)
        except (FramingError, msgspec.DecodeError) as error:
            self._end(_meaning(error))
            return
        if not self.opened.done():
            self._login(self._connection.welcome, received)
        for message in received if self._socket is not None else ():
            self._handlers.received(message)
        if self._connection.ended:
            self.close()
        else:
            self._flush()

    def _login(self, welcome: messages.Welcome | None, received: list[messages.Message]) -> None:
        """Welcomed, or refused without a goodbye (a store does not respond), or neither so far.

        The handlers are called at once, not when `connect` resumes: pushes may follow in the same bytes.
        """
        if welcome is None:
            if received:
                self._end(ConnectionLost(f"expected a welcome, received {received[0]}"))
            return
        assert self.hello is not None
        self.opened.set_result(None)
        self._handlers.welcomed(self, welcome)
        quiet_s = (self.hello.ping_interval_ms + self.hello.pong_timeout_ms) / 1000 + QUIET_GRACE_S
        self._quiet_timer = self._loop.call_later(quiet_s, self._check_quiet, quiet_s)

    def _check_quiet(self, quiet_s: float) -> None:
        """The server pings, so a silent connection is dead even if the system reports no error."""
        due_in_s = self._received_at + quiet_s - self._loop.time()
        if due_in_s > 0:
            self._quiet_timer = self._loop.call_later(due_in_s, self._check_quiet, quiet_s)
        else:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed. If there was a goodbye, it says whether to reconnect."""
        goodbye = self._connection.goodbye
        if goodbye is None:
            self._end(ConnectionLost(str(exc) if exc else "the connection was closed"))
        elif codes.should_reconnect(goodbye.code):
            why = f"{goodbye.code} {goodbye.name}: {goodbye.detail}"
            self._end(ConnectionLost(why, goodbye.reconnect_after_ms))
        else:
            self._end(ConnectionRefusedForGood(goodbye.code, goodbye.name, goodbye.detail))

    def _end(self, error: ClientError) -> None:
        """Report the end once: to `connect` while it waits, afterwards to the handlers."""
        if self._socket is None:
            return
        self._socket.abort()
        self._socket = None
        if self._quiet_timer is not None:
            self._quiet_timer.cancel()
        if not self.opened.done():
            self.opened.set_exception(error)
        elif not self.opened.cancelled():
            self._handlers.lost(error)


def _meaning(error: Exception) -> ClientError:
    """What bytes mean that are no message. A server that cannot take an upgrade now may take it later."""
    status = getattr(error, "status", None)
    if status is not None and (status >= 500 or status in TRY_LATER):
        return ConnectionLost(str(error))
    bad_frame = codes.Close.BAD_FRAME
    return ConnectionRefusedForGood(bad_frame, bad_frame.name.lower(), f"from the server: {error}")


async def connect(
    url: str, token: Token, handlers: Handlers, timeout_s: float, tls: ssl.SSLContext | None = None
) -> None:
    """Connect and log in; the rest goes to `handlers`. Raises ConnectionLost, ConnectionRefusedForGood."""
    address = parse_url(url, *SCHEMES)
    transport = Transport(token, handlers, framing_of(url))
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            await loop.create_connection(lambda: transport, address.host, address.port, ssl=tls)
            await transport.opened
    except OSError as error:  # a TimeoutError is one
        raise ConnectionLost(f"cannot log in at {address}: {in_words(error)}") from error
    finally:
        if not transport.opened.done() or transport.opened.cancelled():
            transport.abort()
