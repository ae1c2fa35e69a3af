"""HTTP for probes and Prometheus: /livez, /readyz, /metrics, and extra routes. Reads only.

No handler waits for a store or calls a service: every answer comes from samples. Connections are bounded by one
rule: when there are too many, a new one closes the oldest, so idle clients cannot keep a probe out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler

from server.ops.health import Health
from server.ops.metrics import CONTENT_TYPE, Metrics

CONNECTIONS_MAX: Final = 64
PROBES: Final = (
    "/livez",
    "/readyz",
)  # answered under any host name: load balancers use their own, and both say little
LOCALHOST: Final = "localhost"
HEAD_BYTES_MAX: Final = 4096
BODY_BYTES_MAX: Final = 1024  # no request needs a body
KEEPALIVE_S: Final = 75.0
SHUTDOWN_S: Final = 0.5


def _is_worth_logging(record: logging.LogRecord) -> bool:
    """Bytes that are not HTTP are not logged: any client could fill the log with them."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


LOGGER: Final = logging.getLogger("hongbao.http")
LOGGER.addFilter(_is_worth_logging)


class Http:
    """The HTTP server."""

    def __init__(
        self,
        health: Callable[[], Health],
        metrics: Metrics,
        extra_routes: Iterable[web.AbstractRouteDef] = (),
        host_names: Collection[str] = (),
    ) -> None:
        """`host_names`: accepted in requests for all routes but the probes, besides localhost and IP addresses."""
        self._host_names = {LOCALHOST, *host_names}
        self._health = health
        self._metrics = metrics
        application = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[self._check_host])
        application.add_routes(
            [
                web.get("/livez", self._live),
                web.get("/readyz", self._ready),
                web.get("/metrics", self._show_metrics),
                *extra_routes,
            ]
        )
        self._runner = web.AppRunner(
            application,
            access_log=None,
            logger=LOGGER,
            handler_cancellation=True,  # a client that has disconnected needs no answer
            keepalive_timeout=KEEPALIVE_S,
            shutdown_timeout=SHUTDOWN_S,
            max_line_size=HEAD_BYTES_MAX,
            max_field_size=HEAD_BYTES_MAX,
            max_headers=64,
        )
        self._listening: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system chooses if `port` is 0. Raises OSError."""
        await self._runner.setup()
        try:
            self._listening = await asyncio.get_running_loop().create_server(self._accept, host, port)
        except OSError:
            await self._runner.cleanup()
            raise
        return int(self._listening.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and close all connections."""
        if self._listening is not None:
            self._listening.close()
            await self._runner.cleanup()

    def _accept(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None
        transports = [handler.transport for handler in server.connections]  # oldest first
        live = [transport for transport in transports if transport is not None and not transport.is_closing()]
        for transport in live[: max(0, len(live) - CONNECTIONS_MAX + 1)]:
            transport.abort()
        return server()

    @web.middleware
    async def _check_host(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Blocks DNS rebinding: a foreign web page could point a name of its own here and read the answers."""
        if request.path not in PROBES and not _is_allowed(request.host, self._host_names):
            raise web.HTTPMisdirectedRequest(text="use an IP address, localhost or a name from ops.http_names")
        return await handler(request)

    async def _live(self, _: web.Request) -> web.Response:
        return web.json_response({"live": True})  # an answer at all proves that the event loop runs

    async def _ready(self, _: web.Request) -> web.Response:
        health = self._health()
        answer = {"ready": health.ready, "reasons": health.reasons, "degraded": health.degraded}
        return web.json_response(answer, status=200 if health.ready else 503)

    async def _show_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})


def _is_allowed(host: str, names: Collection[str]) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name not in names:
            ip_address(name)
    except ValueError:
        return False
    return True
