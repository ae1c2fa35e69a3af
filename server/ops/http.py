"""HTTP for probes and Prometheus: /livez, /readyz, /metrics, and whatever routes others add. Reads only.

Nothing here waits for a store or asks the services: everything is told from samples. Connections are bounded by one
rule: a new one pushes out the oldest, so that nobody who holds on to theirs can keep a probe out.
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
PROBES: Final = ("/livez", "/readyz")  # asked by whatever name a balancer knows; they tell next to nothing
HERE: Final = "localhost"
HEAD_BYTES_MAX: Final = 4096
BODY_BYTES_MAX: Final = 1024  # nobody needs one
KEEPALIVE_S: Final = 75.0
SHUTDOWN_S: Final = 0.5


def _is_ours(record: logging.LogRecord) -> bool:
    """A request that is no HTTP is not worth a line: anybody could fill the log with them."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


LOGGER: Final = logging.getLogger("hongbao.http")
LOGGER.addFilter(_is_ours)


class Http:
    """The HTTP side of a server."""

    def __init__(
        self,
        health: Callable[[], Health],
        metrics: Metrics,
        more: Iterable[web.AbstractRouteDef] = (),
        names: Collection[str] = (),
    ) -> None:
        """`names`: of hosts under which all but the probes may be asked for, besides localhost and addresses."""
        self._names = {HERE, *names}
        self._health = health
        self._metrics = metrics
        application = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[self._check_host])
        application.add_routes(
            [
                web.get("/livez", self._live),
                web.get("/readyz", self._ready),
                web.get("/metrics", self._tell_metrics),
                *more,
            ]
        )
        self._runner = web.AppRunner(
            application,
            access_log=None,
            logger=LOGGER,
            handler_cancellation=True,  # who has gone needs no answer
            keepalive_timeout=KEEPALIVE_S,
            shutdown_timeout=SHUTDOWN_S,
            max_line_size=HEAD_BYTES_MAX,
            max_field_size=HEAD_BYTES_MAX,
            max_headers=64,
        )
        self._listening: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; the port, which the system chose if `port` was 0. Raises OSError."""
        await self._runner.setup()
        try:
            self._listening = await asyncio.get_running_loop().create_server(self._accept, host, port)
        except OSError:
            await self._runner.cleanup()
            raise
        return int(self._listening.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Let go of everybody."""
        if self._listening is not None:
            self._listening.close()
            await self._runner.cleanup()

    def _accept(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None
        transports = [handler.transport for handler in server.connections]  # oldest first
        here = [transport for transport in transports if transport is not None and not transport.is_closing()]
        for transport in here[: max(0, len(here) - CONNECTIONS_MAX + 1)]:
            transport.abort()
        return server()

    @web.middleware
    async def _check_host(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A page of somebody else's may make a name of theirs lead here, and would then read what we tell."""
        if request.path not in PROBES and not _is_here(request.host, self._names):
            raise web.HTTPMisdirectedRequest(text="ask by an address, localhost or a name from ops.http_names")
        return await handler(request)

    async def _live(self, _: web.Request) -> web.Response:
        return web.json_response({"live": True})  # it could not say so if the loop did not turn

    async def _ready(self, _: web.Request) -> web.Response:
        found = self._health()
        told = {"ready": found.ready, "reasons": found.reasons, "degraded": found.degraded}
        return web.json_response(told, status=200 if found.ready else 503)

    async def _tell_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})


def _is_here(host: str, names: Collection[str]) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name not in names:
            ip_address(name)
    except ValueError:
        return False
    return True
