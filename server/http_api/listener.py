"""The socket of the HTTP API: aiohttp in the loop of the server, with a bounded number of connections."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from aiohttp import web
from aiohttp.http import HttpProcessingError

from protocol.codes import Refusal
from server.http_api.problems import CONTENT_TYPE, Problem
from server.http_api.proxied import HeaderFirstHttp
from server.http_api.serving import HEADERS
from server.net.address_limits import Address, Networks
from server.net.tls import TlsListener

HEAD_BYTES_MAX: Final = 4096  # of a line of the head
HEAD_LINES_MAX: Final = 64
KEEPALIVE_S: Final = 75.0
LINGER_S: Final = 1.0  # for the rest of a body that was refused
SHUTDOWN_S: Final = 2.0
BACKLOG: Final = 512
Serve = Callable[[web.BaseRequest], Awaitable[web.Response]]
WAITING_MAX: Final = 100  # connections whose handshake is under way, or whose PROXY header has not come yet
WAITING_PART: Final = 4  # no more than this part of all connections
HANDSHAKE_S: Final = 5.0
ACCEPTS_AT_ONCE: Final = 8  # handshakes that are broken off for these still have their files


def _is_worth_logging(record: logging.LogRecord) -> bool:
    """Bytes that are not HTTP are not logged: any client could fill the log with them."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


LOGGER: Final = logging.getLogger("hongbao.http_api")
LOGGER.addFilter(_is_worth_logging)


OPTIONS: Final[dict[str, Any]] = {
    "access_log": None,
    "logger": LOGGER,
    "keepalive_timeout": KEEPALIVE_S,
    "lingering_time": LINGER_S,
    "max_line_size": HEAD_BYTES_MAX,
    "max_field_size": HEAD_BYTES_MAX,
    "max_headers": HEAD_LINES_MAX,
    "auto_decompress": False,
}
NOT_HTTP: Final = (
    "these bytes are no request of HTTP, or its head has a line of more than "
    f"{HEAD_BYTES_MAX} bytes, or more than {HEAD_LINES_MAX} headers"
)


class ApiConnection(web.RequestHandler):
    """A connection of the API: what is no request of HTTP is refused as all else is, with a problem document."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to bytes that no handler understands. It ends the connection."""
        super().handle_error(request, status, exc, message)  # it logs, and raises if an answer has begun
        problem = Problem(Refusal.INTERNAL) if status >= 500 else Problem(Refusal.BAD_REQUEST, NOT_HTTP)
        rendered = problem.rendered()
        headers = {**HEADERS, "Content-Type": CONTENT_TYPE}
        response = web.Response(status=rendered.status, body=rendered.body, headers=headers)
        response.force_close()
        return response


class NoRoom(asyncio.Protocol):
    """A connection for which there is no room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """End it."""
        transport.close()


class HttpListener:
    """Listens for the chat backend. A connection beyond the limit closes the oldest one that has no request."""

    def __init__(self, serving: Serve, tls: ssl.SSLContext | None, most: int, proxies: Sequence[str] = ()) -> None:
        """`serving` answers each request. With `tls` TLS only is spoken. `proxies` send a PROXY header first.

        `most`: so many files at once, those that wait included.
        """
        self._proxies = Networks(proxies) if proxies else None
        self.waiting_most = min(WAITING_MAX, max(1, most // WAITING_PART))
        self.connections_most = max(1, most - self.waiting_most)
        self._waiting: set[HeaderFirstHttp] = set()
        self._serving = serving
        self._tls = tls
        self._server = web.Server(self._serve)
        self._loop = asyncio.get_running_loop()
        self._busy: set[asyncio.BaseTransport] = set()
        self._listening: asyncio.Server | None = None
        self._gates: list[TlsListener] = []  # with TLS; one for each address of the host

    async def open(self, host: str, port: int, held: socket.socket | None = None) -> int:
        """Listen; returns the port, which the system chooses if `port` is 0. Raises OSError.

        `held`: a socket that is bound to the address already; it is closed when no more connections are accepted.
        """
        if self._tls is not None:
            hosts = await _addresses_of(host, port) if held is None else [host]
            for one in hosts:
                port = await self._open_gate(one, port, held, max(1, self.waiting_most // len(hosts)))
            return port
        create = asyncio.get_running_loop().create_server
        accept = self._accept if self._proxies is None else self._accept_header
        if held is None:
            listening = await create(accept, host, port, backlog=BACKLOG)
        else:
            listening = await create(accept, sock=held, backlog=BACKLOG)
        self._listening = listening
        return int(listening.sockets[0].getsockname()[1])

    async def _open_gate(self, host: str, port: int, held: socket.socket | None, most: int) -> int:
        def enter(_: Address, under_way: int) -> None:
            """None is refused: those who only begin handshakes could keep all others out."""
            if under_way >= most:
                gate.break_off_oldest()

        assert self._tls is not None
        gate = TlsListener(self._accept, enter, lambda _: None, HANDSHAKE_S, self._tls)
        gate.accepts_at_once = ACCEPTS_AT_ONCE
        self._gates.append(gate)
        return await gate.open(host, port, BACKLOG, held)

    def stop_accepting(self) -> None:
        """No new connections."""
        for one in (self._listening, *self._gates):
            if one is not None:
                one.close()

    async def close(self) -> None:
        """Close all connections, after a while for those with a request."""
        self.stop_accepting()
        for waiting in list(self._waiting):
            waiting.abort()
        for gate in self._gates:
            gate.abort()
        self._server.pre_shutdown()
        await self._server.shutdown(SHUTDOWN_S)

    def use(self, tls: ssl.SSLContext | None) -> None:
        """Handshakes from now on use this certificate."""
        for gate in self._gates:
            gate.context = tls or gate.context

    def _accept_header(self) -> asyncio.Protocol:
        assert self._proxies is not None
        if len(self._waiting) >= self.waiting_most:
            return NoRoom()
        return HeaderFirstHttp(self._proxies, self._accept, self._waiting)

    def _accept(self) -> asyncio.Protocol:
        open_now = [one.transport for one in self._server.connections]  # oldest first
        live = [one for one in open_now if one is not None and not one.is_closing()]
        if len(live) >= self.connections_most:
            idle = next((one for one in live if one not in self._busy), None)
            if idle is None:
                return NoRoom()
            idle.abort()
        return ApiConnection(self._server, loop=self._loop, **OPTIONS)

    async def _serve(self, request: web.BaseRequest) -> web.Response:
        transport = request.transport
        if transport is not None:
            self._busy.add(transport)
        try:
            return await self._serving(request)
        finally:
            if transport is not None:
                self._busy.discard(transport)


async def _addresses_of(host: str, port: int) -> list[str]:
    """Those of a name, such as of localhost; of an address itself. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return list(dict.fromkeys(str(one[4][0]) for one in found))
