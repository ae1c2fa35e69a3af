"""One socket: bytes to requests, replies and pushes to bytes. All that one read asks for leaves in one write."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol, cast

from protocol import codes, messages
from protocol.connection import ServerConnection
from server.net.address_limits import Address, address_of
from server.net.token_bucket import TokenBucket

READ_PAUSE_S = 0.5  # one read then finds what a flood has sent
WRITE_HIGH_BYTES = 64 * 1024  # above it we stop reading from whoever does not read from us


class SessionHost(Protocol):
    """What a session needs from whoever accepted it."""

    outgoing_bytes_max: int
    unmetered_frames: tuple[float, float]  # so many a second of a connection, and so many at once
    linger_s: float
    slow_readers: int

    def now_s(self) -> float: ...
    def new_connection(self) -> ServerConnection: ...
    def arrived(self, session: Session, /) -> None: ...
    def gone(self, session: Session, /) -> None: ...
    def login_failed(self, session: Session, /) -> None: ...
    def dispatch(self, session: Session, request: messages.Message, /) -> None: ...
    def flush_soon(self, session: Session, /) -> None: ...
    def flush_later(self, session: Session, /) -> None: ...


class Session(asyncio.Protocol):
    """A connection. `user_id` is -1 until its login was accepted."""

    __slots__ = (
        "_abort_at_s",
        "_dirty",
        "_held",
        "_host",
        "_paused",
        "_read_paused",
        "_transport",
        "_unmetered_bucket",
        "_waits",
        "address",
        "connection",
        "features",
        "heard_s",
        "now_s",
        "number",
        "requests",
        "since_s",
        "unmetered",
        "user_id",
    )

    def __init__(self, host: SessionHost) -> None:
        self._host = host
        self._abort_at_s = float("inf")
        self._read_paused = False  # for a while nothing is read
        self._dirty = False
        self._paused = False
        self._unmetered_bucket: TokenBucket | None = None  # most connections never need it
        self._waits = False  # something is queued that leaves by itself in a while
        self._held: list[bytes] | None = None  # pushes between joining the hub and the welcome
        self._transport: asyncio.Transport
        self.now_s = host.now_s  # the clock of the loop
        self.connection: ServerConnection
        self.address: Address
        self.since_s = self.heard_s = host.now_s()
        self.number = 0  # of those that were accepted: by it a log line leads to a connection
        self.requests = 0
        self.user_id = -1
        self.features: Collection[str] = ()  # what the client understands, as its login said
        self.unmetered = 0  # requests over the limit among what is being served

    # --- called by the event loop -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet. uvloop's low-water mark would be 16 bytes, so both marks are set."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES, low=WRITE_HIGH_BYTES // 4)
        self.address = address_of(transport.get_extra_info("peername"))
        self.connection = self._host.new_connection()
        self._host.arrived(self)
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Hand on what these bytes ask for."""
        self.heard_s = self._host.now_s()
        self._serve(data)

    def _serve(self, data: bytes) -> None:
        host, connection = self._host, self.connection
        self._dirty = True  # what is answered at once leaves below
        self.unmetered, now_s = 0, host.now_s()
        requests = connection.receive_data(data, now_s)
        self.requests += len(requests)
        for request in requests:
            host.dispatch(self, request)
        if unmetered := self.unmetered + connection.unmetered:
            self._charge(unmetered, now_s)
        if connection.has_more and not self._read_paused:
            self.pause_reading_for(0.0)  # others first
        self.flush()

    def _charge(self, unmetered: int, now_s: float) -> None:
        """What no user's bucket pays for is paid by the connection: who has nothing left is not read for now."""
        per_s, burst = self._host.unmetered_frames
        if self._unmetered_bucket is None:
            self._unmetered_bucket = TokenBucket(burst, now_s)
        self._unmetered_bucket.charge(now_s, per_s, burst, unmetered)
        if self._unmetered_bucket.is_empty(now_s, per_s, burst):
            self.pause_reading_for(READ_PAUSE_S)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget everything about it."""
        self._host.gone(self)

    def eof_received(self) -> None:
        """The peer sends no more; what waits for it may still leave, but not for ever."""
        self._linger()

    def pause_writing(self) -> None:
        """The peer does not read: do not read from it either."""
        self._paused = True
        if not (self._read_paused or self._transport.is_closing()):
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._paused = False
        self._read_on()

    # --- called by the server ---------------------------------------------------------------------------------

    def reply(self, message: messages.Message) -> None:
        """Queue a message; it leaves with everything else of this turn of the loop."""
        self.connection.send(message)
        self._leave_soon()

    def refuse(self, seq: int, refusal: codes.Refusal, detail: str = "", retry_after_ms: int | None = None) -> None:
        """Queue the refusal of a request."""
        self.connection.refuse(seq, refusal, detail, retry_after_ms)
        self._leave_soon()

    def push(self, framed: bytes, can_wait: bool) -> None:
        """Queue a frame that was encoded once for many; one that can wait leaves with the next that cannot."""
        if self._held is not None:
            self._held.append(framed)
            return
        self.connection.send_frame(framed)
        if not can_wait:
            self._leave_soon()
        elif not (self._dirty or self._waits):
            self._waits = True
            self._host.flush_later(self)

    def pause_reading_for(self, for_s: float) -> None:
        """Read nothing for a while: what comes meanwhile waits in the system's buffers and is then read at once."""
        if self._read_paused or self._transport.is_closing():
            return
        if not self._paused:
            self._transport.pause_reading()
        self._read_paused = True
        asyncio.get_running_loop().call_later(for_s, self._end_read_pause)

    def _end_read_pause(self) -> None:
        self._read_paused = False
        self._read_on()

    def _read_on(self) -> None:
        if self._is_open and self.connection.has_more:
            self._serve(b"")
        if self._is_open:
            self._transport.resume_reading()

    @property
    def _is_open(self) -> bool:
        return not (self._read_paused or self._paused or self._transport.is_closing())

    def hold_pushes(self) -> None:
        """Pushes wait from now on for the welcome, so that nothing is missed between the two."""
        self._held = []

    @property
    def holds_pushes(self) -> bool:
        """Its welcome is on the way."""
        return self._held is not None

    def welcome(self, message: messages.Welcome, now_s: float, first_ping: float) -> None:
        """The login was accepted: the welcome, then what happened meanwhile."""
        held, self._held = self._held or [], None
        self.connection.admit(now_s, first_ping)
        self.reply(message)
        for framed in held:
            self.connection.send_frame(framed)

    def close(self, code: codes.Close, detail: str = "", reconnect_after_ms: int = 0) -> None:
        """Say why, and hang up."""
        self.connection.close(code, detail, reconnect_after_ms)
        self.flush()

    def refuse_login(self, code: codes.Close) -> None:
        """The login was not genuine: that counts against the address."""
        self._host.login_failed(self)
        self.close(code)

    @property
    def is_closing(self) -> bool:
        """It is lost, or will be in a moment."""
        return self._transport.is_closing()

    @property
    def peer(self) -> str:
        """Who is at the other end, as text."""
        name = self._transport.get_extra_info("peername")
        return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "unix"

    @property
    def pending_bytes(self) -> int:
        """What was written and not taken yet."""
        return self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """Hang up without a word."""
        self._transport.abort()

    def tick(self, now_s: float) -> None:
        """Let the heartbeat do what is due, and give up on a peer that does not take its last words."""
        if self._abort_at_s <= now_s:
            self.abort()
            return
        if self.connection.next_deadline() <= now_s:
            self.connection.handle_deadline(now_s)
            self.flush()

    def flush(self) -> None:
        """Write all that is queued, once."""
        self._dirty = self._waits = False
        transport = self._transport
        if transport.is_closing():
            return
        data = self.connection.data_to_send()
        if data:
            transport.write(data)
        if self.connection.closing is not None:
            transport.close()
            self._linger()
        elif self._paused and transport.get_write_buffer_size() > self._host.outgoing_bytes_max:
            self._host.slow_readers += 1
            transport.abort()  # its buffer is full, so last words would not reach it

    def _linger(self) -> None:
        self._abort_at_s = min(self._abort_at_s, self._host.now_s() + self._host.linger_s)

    def _leave_soon(self) -> None:
        if not self._dirty:
            self._dirty = True
            self._host.flush_soon(self)
