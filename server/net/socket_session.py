"""A session whose socket is here: bytes to requests, replies and pushes to bytes.

All that one read asks for leaves in one write. What comes before the first message, such as a PROXY header or the
request for an upgrade to WebSocket, is the affair of an `Opening`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, Protocol, cast

from protocol import codes, messages
from protocol.connection import ServerConnection
from protocol.framing import Frame, Framing, frame
from server.core.ids import BACKEND
from server.net.address_limits import Address, address_of, is_loopback
from server.net.read_flow import ReadFlow

LOGIN_REFUSALS = frozenset(
    {codes.Close.LOGIN_REFUSED, codes.Close.TOKEN_EXPIRED, codes.Close.BANNED, codes.Close.TOKEN_REVOKED}
)
WRITE_HIGH_BYTES = 64 * 1024  # above it we stop reading from a peer that does not read
NORMAL = 1000  # the close code of WebSocket for a client that has closed


class SessionHost(Protocol):
    """What a session needs from its listener."""

    outgoing_bytes_max: int
    unmetered_frames: tuple[float, float]  # so many a second of a connection, and so many at once
    linger_s: float
    slow_readers: int

    def now_s(self) -> float: ...
    def new_connection(self, framing: Framing | None, /) -> ServerConnection: ...
    def arrived(self, session: SocketSession, /) -> None: ...
    def moved(self, session: SocketSession, address: Address, /) -> None: ...
    def gone(self, session: SocketSession, /) -> None: ...
    def login_failed(self, session: SocketSession, /) -> None: ...
    def dispatch(self, session: SocketSession, requests: Sequence[messages.Message], now_s: float, /) -> None: ...
    def flush_soon(self, session: SocketSession, /) -> None: ...
    def flush_later(self, session: SocketSession, /) -> None: ...


class Opening(Protocol):
    """What a connection begins with before its first message. Nothing leaves until it is over."""

    def begin(self, session: SocketSession, peer: Any, /) -> Address:
        """What counts as the address of a new connection from this peer."""

    def read(self, session: SocketSession, data: bytes, /) -> None:
        """Take what has come; at its end it makes another opening, or none, that of the session."""

    def refuse(self, session: SocketSession, why: codes.Close, /) -> None:
        """The connection ends before its first message: tell why."""


class SocketSession:
    """A connection. `user_id` is -1 until its login was accepted.

    The loop asks for the methods of `asyncio.Protocol`, not for this class as a base: without that base mypyc makes
    a class whose fields have fixed places.
    """

    __slots__ = (
        "_abort_at_s",
        "_dirty",
        "_framing",
        "_held",
        "_host",
        "_waits",
        "address",
        "by_tls",
        "connection",
        "features",
        "frame",
        "heard_s",
        "holds_pushes",
        "is_proxied",
        "issued_at_s",
        "now_s",
        "number",
        "opening",
        "reading",
        "requests",
        "since_s",
        "transport",
        "unmetered",
        "user_id",
    )

    def __init__(self, host: SessionHost, opening: Opening | None = None, framing: Framing | None = None) -> None:
        """`opening`: what comes before the first message. `framing`: that of TCP if it is None."""
        self._host = host
        self.opening = opening
        self._framing = framing
        self.frame: Frame = frame if framing is None else framing.frame  # of what is encoded once for many
        self._abort_at_s = float("inf")
        self._dirty = False
        self._waits = False  # something is queued that leaves by itself in a while
        self.holds_pushes = False  # between joining the hub and the welcome: nothing is missed between the two
        self._held: list[bytes] | None = None  # these pushes
        self.transport: asyncio.Transport
        self.reading: ReadFlow
        self.now_s = host.now_s  # the clock of the loop
        self.connection: ServerConnection
        self.address: Address
        self.by_tls = False  # its client has connected by TLS, to us or to a trusted proxy
        self.is_proxied = False  # a trusted proxy has told where its client is
        self.since_s = self.heard_s = host.now_s()
        self.number = 0  # of those that were accepted: by it a log line leads to a connection
        self.requests = 0
        self.user_id = -1
        self.issued_at_s = 0  # its token, as the login said
        self.features: Collection[str] = ()  # what the client understands, as its login said
        self.unmetered = 0  # requests over the limit among what is being served

    # --- called by the event loop -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet. uvloop's low-water mark would be 16 bytes, so both marks are set."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES, low=WRITE_HIGH_BYTES // 4)
        self.reading = ReadFlow(self.transport, self._read_on)
        peer = transport.get_extra_info("peername")
        self.address = address_of(peer) if self.opening is None else self.opening.begin(self, peer)
        self.by_tls = transport.get_extra_info("sslcontext") is not None
        self.connection = self._host.new_connection(self._framing)
        self._host.arrived(self)
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Hand on what these bytes ask for."""
        if self.opening is None:
            self.heard_s = now_s = self.now_s()
            self._serve(data, now_s)
        elif not self.transport.is_closing():
            self.opening.read(self, data)

    def _serve(self, data: bytes, now_s: float) -> None:
        host, connection = self._host, self.connection
        self._dirty = True  # what is answered at once leaves below
        self.unmetered = 0
        requests = connection.receive_data(data, now_s)
        if requests:
            self.requests += len(requests)
            host.dispatch(self, requests, now_s)
        if unmetered := self.unmetered + connection.unmetered:
            self.reading.charge(unmetered, self.number, now_s, *host.unmetered_frames)
        if connection.has_more and not self.reading.paused:
            self.reading.pause_for(0.0)  # other connections first
        self.flush()
        if self._framing is not None and self._framing.ended and not self.transport.is_closing():
            self.transport.write(self._framing.end(NORMAL, ""))
            self.transport.close()
            self.linger()

    def connection_lost(self, error: Exception | None) -> None:
        """Forget everything about it."""
        self._host.gone(self)
        self.reading.end()

    def eof_received(self) -> None:
        """The peer sends no more; what waits for it may still leave, for a bounded time."""
        self.linger()

    def pause_writing(self) -> None:
        """The peer does not read."""
        self.reading.stop_for_backpressure()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self.reading.end_backpressure()

    def _read_on(self) -> None:
        """First what was read before and not served yet."""
        if self.reading.is_open and self.connection.has_more:
            self._serve(b"", self.now_s())
        self.reading.resume()

    # --- called by the server ---------------------------------------------------------------------------------

    def reply(self, message: messages.Message) -> int:
        """Queue a message; it leaves with everything else of this turn of the loop. Returns its bytes."""
        size = self.connection.send(message)
        if not self._dirty:
            self._leave_soon()
        return size

    def refuse(self, seq: int, refusal: codes.Refusal, detail: str = "", retry_after_ms: int | None = None) -> None:
        """Queue the refusal of a request."""
        self.connection.refuse(seq, refusal, detail, retry_after_ms)
        self._leave_soon()

    def push(self, framed: bytes, can_wait: bool) -> None:
        """Queue a frame that was encoded once for many; one that can wait leaves with the next that cannot."""
        if self.holds_pushes:
            if self._held is None:
                self._held = []
            self._held.append(framed)
            return
        self.connection.send_frame(framed)
        if not can_wait:
            self._leave_soon()
        elif not (self._dirty or self._waits):
            self._waits = True
            self._host.flush_later(self)

    @property
    def is_private(self) -> bool:
        """Others cannot read it: its client came by TLS, or is on this machine and behind no proxy."""
        is_here = not self.is_proxied and is_loopback(self.address)
        return self.by_tls or is_here

    def welcome(self, message: messages.Welcome, now_s: float, first_ping: float) -> None:
        """The login was accepted: the welcome, then what happened meanwhile."""
        held, self._held, self.holds_pushes = self._held or (), None, False
        self.connection.admit(now_s, first_ping, is_backend=self.user_id == BACKEND)
        self.reply(message)
        for framed in held:
            self.connection.send_frame(framed)

    def close(self, code: codes.Close, detail: str = "", reconnect_after_ms: int = 0) -> None:
        """Tell the reason, then disconnect. A refused login counts against the address."""
        if code in LOGIN_REFUSALS and not self.connection.logged_in:
            self._host.login_failed(self)
        self.connection.close(code, detail, reconnect_after_ms)
        self.flush()

    def tick(self, now_s: float) -> None:
        """Let the heartbeat do what is due, and give up on a peer that does not take its last words."""
        if self._abort_at_s <= now_s:
            self.transport.abort()
            return
        if self.connection.next_deadline() <= now_s:
            self.connection.handle_deadline(now_s)
            self.flush()

    def flush(self) -> None:
        """Write all that is queued, once; before the end of the opening only why the connection ends."""
        self._dirty = self._waits = False
        transport = self.transport
        if transport.is_closing():
            return
        if self.opening is not None:
            if self.connection.closing is not None:
                self.opening.refuse(self, self.connection.closing)
            return
        data = self.connection.data_to_send()
        if data:
            transport.write(data)
        if self.connection.closing is not None:
            transport.close()
            self.linger()
        elif self.reading.backpressure and transport.get_write_buffer_size() > self._host.outgoing_bytes_max:
            self._host.slow_readers += 1
            transport.abort()  # its buffer is full, so last words would not reach it

    def moved(self, address: Address) -> None:
        """The connection counts for another address, which was not known before."""
        self._host.moved(self, address)

    def linger(self) -> None:
        """What was written last may still leave, for a bounded time."""
        self._abort_at_s = min(self._abort_at_s, self._host.now_s() + self._host.linger_s)

    def _leave_soon(self) -> None:
        if not self._dirty:
            self._dirty = True
            self._host.flush_soon(self)
