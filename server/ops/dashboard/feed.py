"""The dashboard at `/`: one self-contained HTML page, updated by a stream of server-sent events.

An event has the newest sample, the rates of the last seconds, and points for the charts: one minute of points for a
new client, one point for the others. An event is encoded once for all clients, and only while there is a client. A
client that does not read is disconnected; a new client replaces the oldest one when there are too many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from protocol.money_unit import MoneyUnit
from server.core.latency import BOUNDS_MS
from server.one_file_page import one_file_page
from server.ops.health import Health
from server.ops.samples.money_in_packets import MoneyInPackets, MoneyInPacketsCheck
from server.ops.samples.rates import Rates, rates
from server.ops.samples.sample import Counts, Sample, WorkerRow
from server.ops.samples.sampler import Sampler

CLIENTS_MAX: Final = 16
WRITE_TIMEOUT_S: Final = 5.0  # for a client to read one event
POLL_S: Final = 0.25  # between two checks for a new sample
CHART_S: Final = 60
RECENT_S: Final = 10
PARTS: Final = (
    ("style-src", "dashboard.css"),
    ("script-src", "dashboard_draw.js"),
    ("script-src", "dashboard.js"),
)


class ChartPoint(msgspec.Struct, frozen=True):
    """The data of the charts for one second, which ended at `at_ms`."""

    at_ms: int
    rates: Rates
    opens: tuple[int, ...]  # winning opens by latency: a count for each of BOUNDS_MS and one for longer latencies


class DashboardEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The data of one event."""

    version: str
    bounds_ms: tuple[float, ...]
    now: Sample
    not_ready: list[str]  # why the server is not ready
    degraded: list[str]
    recent: Rates  # over the last ten seconds
    refused: Counts  # in the last minute, by reason
    balance: MoneyInPackets | None
    points: list[ChartPoint]
    workers: list[WorkerRow]  # empty: the server is one process


class Dashboard:
    """The page and its stream of events."""

    def __init__(
        self,
        sampler: Sampler,
        health: Callable[[], Health],
        version: str,
        money: MoneyUnit,
        workers: Callable[[], list[WorkerRow]] = list,
    ) -> None:
        self._sampler = sampler
        self._workers = workers
        self._health = health
        self._version = version
        self._page, self._policy = _assemble(money)
        self._money_check = MoneyInPacketsCheck()
        self._seen: Sample | None = None
        self._event = b""
        self._updated = asyncio.Event()
        self._clients: dict[asyncio.Transport, None] = {}  # oldest first

    @property
    def clients(self) -> int:
        """The number of connected clients."""
        return len(self._clients)

    def routes(self) -> list[web.RouteDef]:
        """The routes for Http."""
        return [web.get("/", self._show_page), web.get("/events", self._serve_events, allow_head=False)]

    async def run(self) -> None:
        """Make an event of every new sample; never returns, to be supervised."""
        while True:
            await asyncio.sleep(POLL_S)
            newest = self._sampler.newest
            if newest is not self._seen:
                self._seen = newest
                self._money_check.add(newest)
                if self.clients:
                    self._event = self._encode("second", 1)
                self._updated.set()
                self._updated = asyncio.Event()

    def _encode(self, name: str, seconds: int) -> bytes:
        """An event with the points of the last `seconds`."""
        minute = self._sampler.last(CHART_S)
        now, health = minute[-1], self._health()
        event = DashboardEvent(
            version=self._version,
            bounds_ms=BOUNDS_MS,
            now=self._sampler.fresh,
            not_ready=health.reasons,
            degraded=health.degraded,
            recent=rates(minute[-RECENT_S - 1 :]),
            refused={reason: count - minute[0].refusals.get(reason, 0) for reason, count in now.refusals.items()},
            balance=self._money_check.last,
            points=_points(minute[-seconds - 1 :]),
            workers=self._workers(),
        )
        return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(event))

    async def _show_page(self, _: web.Request) -> web.Response:
        headers = _HEADERS | {"Content-Security-Policy": self._policy}
        return web.Response(body=self._page, content_type="text/html", charset="utf-8", headers=headers)

    async def _serve_events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=_HEADERS | {"Content-Type": "text/event-stream; charset=utf-8"})
        client = request.transport
        if client is None:  # disconnected already
            return response
        while self.clients >= CLIENTS_MAX:
            self._disconnect(next(iter(self._clients)))
        self._clients[client] = None
        try:
            await self._stream(request, response)
        except TimeoutError:
            self._disconnect(client)
        finally:
            self._clients.pop(client, None)
        return response

    def _disconnect(self, client: asyncio.Transport) -> None:
        self._clients.pop(client, None)
        client.abort()  # what is still buffered would never be read

    async def _stream(self, request: web.Request, response: web.StreamResponse) -> None:
        await response.prepare(request)
        event, updated = self._encode("minute", CHART_S), self._updated
        while True:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await response.write(event)
            await updated.wait()
            event, updated = self._event, self._updated


_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Accel-Buffering": "no",  # a proxy must pass events on at once
    "X-Content-Type-Options": "nosniff",
}


def _points(samples: list[Sample]) -> list[ChartPoint]:
    return [
        ChartPoint(now.at_ms, rates([before, now]), now.open_ms.since(before.open_ms).counts)
        for before, now in pairwise(samples)
    ]


def _assemble(money: MoneyUnit) -> tuple[bytes, str]:
    """The page with unit, style and scripts inlined, and its content security policy."""
    folder = Path(__file__).parent
    page = (folder / "dashboard.html").read_text("utf-8")
    page = page.replace("{unit}", escape(money.en)).replace("{decimals}", str(money.decimals))
    return one_file_page(page, folder, PARTS)
