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
from server.net.address_limits import Networks

CONNECTIONS_MAX: Final = 1_000  # a chat backend has a pool of them
HEAD_BYTES_MAX: Final = 4096  # of a line of the head
HEAD_LINES_MAX: Final = 64
KEEPALIVE_S: Final = 75.0
LINGER_S: Final = 1.0  # for the rest of a body that was refused
SHUTDOWN_S: Final = 2.0
BACKLOG: Final = 512
Serve = Callable[[web.BaseRequest], Awaitable[web.Response]]
WAITING_MAX: Final = 100  # connections of proxies whose header has not come yet


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

    def __init__(self, serving: Serve, tls: ssl.SSLContext | None, proxies: Sequence[str] = ()) -> None:
        """`serving` answers each request. With `tls` TLS only is spoken. `proxies` send a PROXY header first."""
        self._proxies = Networks(proxies) if proxies else None
        self._waiting: set[HeaderFirstHttp] = set()
        self._serving = serving
        self._tls = tls
        self._server = web.Server(self._serve)
        self._loop = asyncio.get_running_loop()
        self._busy: set[asyncio.BaseTransport] = set()
        self._listening: asyncio.Server | None = None

    async def open(self, host: str, port: int, held: socket.socket | None = None) -> int:
        """Listen; returns the port, which the system chooses if `port` is 0. Raises OSError.

        `held`: a socket that is bound to the address already; it is closed when no more connections are accepted.
        """
        create, tls = asyncio.get_running_loop().create_server, self._tls
        accept = self._accept if self._proxies is None else self._accept_header
        if held is None:
            self._listening = await create(accept, host, port, ssl=tls, backlog=BACKLOG)
        else:
            self._listening = await create(accept, sock=held, ssl=tls, backlog=BACKLOG)
        return int(self._listening.sockets[0].getsockname()[1])

    def stop_accepting(self) -> None:
        """No new connections."""
        if self._listening is not None:
            self._listening.close()

    async def close(self) -> None:
        """Close all connections, after a while for those with a request."""
        self.stop_accepting()
        for waiting in list(self._waiting):
            waiting.abort()
        self._server.pre_shutdown()
        await self._server.shutdown(SHUTDOWN_S)

    def use(self, tls: ssl.SSLContext | None) -> None:
        """Handshakes from now on use this certificate."""
        if self._tls is not None and tls is not None:
            self._tls.sni_callback = lambda connection, name, context: setattr(connection, "context", tls)

    def _accept_header(self) -> asyncio.Protocol:
        assert self._proxies is not None
        if len(self._waiting) >= WAITING_MAX:
            return NoRoom()
        return HeaderFirstHttp(self._proxies, self._accept, self._waiting)

    def _accept(self) -> asyncio.Protocol:
        open_now = [one.transport for one in self._server.connections]  # oldest first
        live = [one for one in open_now if one is not None and not one.is_closing()]
        if len(live) >= CONNECTIONS_MAX:
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
