"""The listening socket, all sessions, and the one timer that serves them all."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias, cast

import msgspec

from protocol import codes, messages, tokens
from protocol.connection import ServerConnection, Sizes, Timing
from protocol.framing import Framing
from server import logs
from server.core.limits import Limits
from server.net.address_limits import Address, AddressLimits, address_of
from server.net.addresses import cannot_listen
from server.net.hub import Hub
from server.net.pushes.late_writes import LateWrites
from server.net.queued_connections import BACKLOG, QueuedConnections
from server.net.routing import Router
from server.net.socket_session import SocketSession
from server.net.subscriptions import Subscriptions
from server.net.tls import TlsListener

Dispatch: TypeAlias = Callable[[SocketSession, Sequence[messages.Message], float], None]
TICK_S_MAX = 0.5
RECONNECT_MS_MAX = 2_000  # over so long the clients of a server that goes down come back


class Listener:
    """Accepts and ends connections; `dispatch` gets the requests of each read. `sessions` are those open now."""

    def __init__(
        self,
        sessions: dict[int, SocketSession],
        dispatch: Dispatch,
        hub: Hub,
        subscriptions: Subscriptions,
        limits: Limits,
        durability: str,
        now_ms: Callable[[], int],
        random_bytes: Callable[[int], bytes],
        connections_most: int,
    ) -> None:
        """`connections_most`: the limit of open files has room for so many."""
        self.sessions = sessions  # by number
        self.dispatch = dispatch
        self._subscriptions = subscriptions
        self._hub = hub
        self._limits = limits
        self._durability = durability
        self._now_ms = now_ms
        self._random_bytes = random_bytes
        self._connections_most = connections_most
        self._read_limits()
        self.addresses = AddressLimits(limits)
        self._dirty: list[SocketSession] = []
        self._loop = asyncio.get_running_loop()
        self._late = LateWrites(self._loop)
        self._servers: list[asyncio.Server | TlsListener] = []
        self._queued = QueuedConnections(lambda: self.connections_max - len(self.sessions))
        self._closing = False
        self.router: Router | None = None  # once there are peers to other servers
        self.now_s = self._loop.time
        self.accepted = 0
        self.slow_readers = 0
        self.closes = dict.fromkeys(codes.Close, 0)  # connections that we ended, by why

    def _read_limits(self) -> None:
        limits = self._limits
        self.connections_max = min(limits.connections_max, self._connections_most)
        self.outgoing_bytes_max = limits.outgoing_bytes_max
        self.unmetered_frames = limits.requests_per_s, limits.requests_burst
        self.linger_s = limits.pong_timeout_s  # a closed connection that takes no bytes for so long is aborted
        # a connection keeps the values of its hello until it ends
        self._timing = Timing(limits.login_timeout_s, limits.ping_interval_s, limits.pong_timeout_s)
        self._sizes = Sizes(
            limits.frame_bytes_before_login_max, limits.frame_bytes_max, limits.backend_frame_bytes_max
        )
        # in each hello, so it is encoded once; Any: the message says a table
        self._announced: Any = msgspec.Raw(msgspec.msgpack.encode(limits.announced()))

    async def open(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        make: Callable[[Listener], SocketSession] = SocketSession,
        address_of: Callable[[Any], Address] = address_of,
        where: str = "",
        held: socket.socket | None = None,
    ) -> int:
        """Listen for the sessions that `make` makes; the port, which the system chose if `port` was 0.

        `where`: the key of the config that sets the address. `held`: a socket that is bound to it already; it is
        closed when no more connections are accepted. Raises OSError that names the address.
        """
        host = host.strip("[]")
        make_here: Any = partial(make, self)  # the loop asks for the methods of a protocol, not for its class
        try:
            if tls is not None:
                timeout_s = self._timing.login_timeout_s
                gate = TlsListener(make_here, self._enter_gate, self.addresses.leave, timeout_s, tls, address_of)
                self._servers.append(gate)
                return await gate.open(host, port, BACKLOG, held)
            if held is None:
                server = await self._loop.create_server(make_here, host, port, backlog=BACKLOG)
            else:
                server = await self._loop.create_server(make_here, sock=held, backlog=BACKLOG)
        except OSError as error:
            raise cannot_listen(host, port, error, where) from error
        self._queued.watch(server, make_here)  # with TLS the listener takes many by itself
        self._servers += server, *await self._queued.open_handles(server, make_here)
        return int(cast("Any", server).sockets[0].getsockname()[1])  # a tuple in asyncio, a list in uvloop

    def reload(self, tls: ssl.SSLContext | None) -> None:
        """Take over this certificate, and the limits as they are now; connections keep what they were told."""
        self._read_limits()
        for gate in self._gates():
            if tls is not None:
                gate.context, gate.handshake_s = tls, self._timing.login_timeout_s

    def stop_accepting(self) -> None:
        """No new connections."""
        self._closing = True
        self._queued.close()
        for server in self._servers:
            server.close()

    async def close(self, random_part: Callable[[], float] = lambda: 0.0) -> None:
        """Tell everybody that the server goes down and when to come back, each at another time, and hang up."""
        for session in list(self.sessions.values()):
            session.close(codes.Close.SHUTTING_DOWN, reconnect_after_ms=int(random_part() * RECONNECT_MS_MAX))
        for _ in range(100):
            if not (self.sessions or any(gate.under_way for gate in self._gates())):
                return
            await asyncio.sleep(0.01)

    def _gates(self) -> list[TlsListener]:
        return [one for one in self._servers if isinstance(one, TlsListener)]

    def abort(self) -> None:
        """Abort every connection at once."""
        self.stop_accepting()
        for gate in self._gates():
            gate.abort()
        for session in list(self.sessions.values()):
            session.transport.abort()

    async def run(self) -> None:
        """Let every connection's heartbeat do what is due. Never ends; to be supervised."""
        while True:
            await asyncio.sleep(min(TICK_S_MAX, min(self._timing) / 4))
            now_s = self.now_s()
            for session in list(self.sessions.values()):
                session.tick(now_s)
            self._hub.tidy(now_s)
            self.addresses.tidy(now_s)

    # --- called by sessions -----------------------------------------------------------------------------------

    def new_connection(self, framing: Framing | None) -> ServerConnection:
        """The state of a new connection, with its hello."""
        timing = self._timing
        hello = messages.Hello(
            0,
            messages.VERSION,
            self._random_bytes(tokens.NONCE_BYTES),
            self._durability,
            int(timing.ping_interval_s * 1000),
            int(timing.pong_timeout_s * 1000),
            self._now_ms(),
            self._announced,
        )
        return ServerConnection(hello, self.now_s(), timing, self._sizes, framing)

    def arrived(self, session: SocketSession) -> None:
        """A connection was made."""
        self.accepted += 1
        session.number = self.accepted
        self.sessions[session.number] = session
        self._queued.take_soon()
        refusal = None if session.by_tls else self._enter(session.address)  # the TLS listener has asked before
        if self._closing:
            session.close(codes.Close.SHUTTING_DOWN)
        elif len(self.sessions) > self.connections_max:
            session.close(codes.Close.TOO_MANY_CONNECTIONS)
        elif refusal is not None:
            session.close(refusal, "of this address")

    def moved(self, session: SocketSession, address: Address) -> None:
        """A connection counts for another address, which was not known before."""
        self.addresses.leave(session.address)
        session.address = address
        refusal = self._enter(address)
        if refusal is not None:
            session.close(refusal, "of this address")

    def gone(self, session: SocketSession) -> None:
        """A connection was lost."""
        self.sessions.pop(session.number, None)
        code = session.connection.closing
        if code is not None:
            self.closes[code] += 1
        logs.debug(
            "connection_closed",
            connection=session.number,
            user_id=session.user_id,
            code="by the client" if code is None else code.name.lower(),
        )
        self.addresses.leave(session.address)
        self._subscriptions.gone(session)
        if self.router is not None:
            self.router.gone(session)
        if session.user_id >= 0:
            self._hub.leave(session.user_id, session)

    def login_failed(self, session: SocketSession) -> None:
        """A login was refused."""
        self.addresses.failed(session.address, self.now_s())

    def _enter(self, address: Address) -> codes.Close | None:
        return self.addresses.enter(address, self.now_s())

    def _enter_gate(self, address: Address, handshakes: int) -> codes.Close | None:
        refusal = self._enter(address)
        if len(self.sessions) + handshakes >= self.connections_max:
            refusal = codes.Close.TOO_MANY_CONNECTIONS
        if refusal is not None:
            self.closes[refusal] += 1
        return refusal

    def flush_soon(self, session: SocketSession) -> None:
        """Write what a session has queued at the end of this turn of the loop."""
        if not self._dirty:
            self._loop.call_soon(self._flush)
        self._dirty.append(session)

    def flush_later(self, session: SocketSession) -> None:
        """Write what a session has queued in a while, if nothing takes it along before."""
        self._late.add(session)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for session in dirty:
            session.flush()
