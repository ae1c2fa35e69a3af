"""The page at `/`: one document that needs nothing else, kept alive by server-sent events made of samples.

An event tells the newest sample, what lies between the last ones, and points for the charts: a minute of them to
who comes, one to who listens. A listener costs the others nothing: an event is made once for all, only while
somebody listens, who does not read is let go, and a new listener pushes out the oldest.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from server.core.latency import BOUNDS_MS
from server.ops.health import Health
from server.ops.samples.money_in_packets import MoneyInPackets, MoneyInPacketsCheck
from server.ops.samples.rates import Rates, rates
from server.ops.samples.sample import Counts, Sample
from server.ops.samples.sampler import Sampler

LISTENERS_MAX: Final = 16
SLOW_S: Final = 5.0  # so long may a listener take to read an event
LOOK_S: Final = 0.25  # for a new sample
CHART_S: Final = 60
LATELY_S: Final = 10
PARTS: Final = (
    ("style-src", "dashboard.css"),
    ("script-src", "dashboard_draw.js"),
    ("script-src", "dashboard.js"),
)
POLICY: Final = (
    "default-src 'none'",
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)


class Point(msgspec.Struct, frozen=True):
    """What the charts show of one second, which ended at `at_ms`."""

    at_ms: int
    rates: Rates
    opens: tuple[int, ...]  # that won, by how long they took: a count for each of BOUNDS_MS and one for longer


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event."""

    version: str
    bounds_ms: tuple[float, ...]
    now: Sample
    not_ready: list[str]  # why no traffic should come
    degraded: list[str]
    lately: Rates  # over the last ten seconds
    refused: Counts  # in the last minute, by reason
    balance: MoneyInPackets | None
    points: list[Point]


class Dashboard:
    """The page and its stream."""

    def __init__(self, sampler: Sampler, health: Callable[[], Health], version: str) -> None:
        self._sampler = sampler
        self._health = health
        self._version = version
        self._page, self._policy = _assemble()
        self._balancer = MoneyInPacketsCheck()
        self._seen: Sample | None = None
        self._news = b""
        self._turned = asyncio.Event()
        self._listeners: dict[asyncio.Transport, None] = {}  # oldest first

    @property
    def listeners(self) -> int:
        """How many there are."""
        return len(self._listeners)

    def routes(self) -> list[web.RouteDef]:
        """For Http."""
        return [web.get("/", self._show), web.get("/events", self._tell, allow_head=False)]

    async def run(self) -> None:
        """Tell every sample to all who listen, for ever; to be supervised."""
        while True:
            await asyncio.sleep(LOOK_S)
            newest = self._sampler.newest
            if newest is not self._seen:
                self._seen = newest
                self._balancer.add(newest)
                if self.listeners:
                    self._news = self._event("second", 1)
                self._turned.set()
                self._turned = asyncio.Event()

    def _event(self, name: str, seconds: int) -> bytes:
        """With points of the last so many seconds."""
        minute = self._sampler.last(CHART_S)
        now, found = minute[-1], self._health()
        told = Told(
            version=self._version,
            bounds_ms=BOUNDS_MS,
            now=now,
            not_ready=found.reasons,
            degraded=found.degraded,
            lately=rates(minute[-LATELY_S - 1 :]),
            refused={reason: count - minute[0].refusals.get(reason, 0) for reason, count in now.refusals.items()},
            balance=self._balancer.last,
            points=_points(minute[-seconds - 1 :]),
        )
        return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(told))

    async def _show(self, _: web.Request) -> web.Response:
        headers = _HEADERS | {"Content-Security-Policy": self._policy}
        return web.Response(body=self._page, content_type="text/html", charset="utf-8", headers=headers)

    async def _tell(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=_HEADERS | {"Content-Type": "text/event-stream; charset=utf-8"})
        listener = request.transport
        if listener is None:  # gone already
            return response
        while self.listeners >= LISTENERS_MAX:
            self._let_go(next(iter(self._listeners)))
        self._listeners[listener] = None
        try:
            await self._stream(request, response)
        except TimeoutError:
            self._let_go(listener)
        finally:
            self._listeners.pop(listener, None)
        return response

    def _let_go(self, listener: asyncio.Transport) -> None:
        self._listeners.pop(listener, None)
        listener.abort()  # nothing that waits in it would ever be read

    async def _stream(self, request: web.Request, response: web.StreamResponse) -> None:
        await response.prepare(request)
        event, turned = self._event("minute", CHART_S), self._turned
        while True:
            async with asyncio.timeout(SLOW_S):
                await response.write(event)
            await turned.wait()
            event, turned = self._news, self._turned


_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Accel-Buffering": "no",  # a proxy between must pass events on at once
    "X-Content-Type-Options": "nosniff",
}


def _points(samples: list[Sample]) -> list[Point]:
    return [
        Point(now.at_ms, rates([before, now]), now.open_ms.since(before.open_ms).counts)
        for before, now in pairwise(samples)
    ]


def _assemble() -> tuple[bytes, str]:
    """The page with its style and scripts in it, and the policy that allows those and nothing else."""
    here = Path(__file__).parent
    page = (here / "dashboard.html").read_text("utf-8")
    allowed: dict[str, str] = {}
    for use, name in PARTS:
        text = (here / name).read_text("utf-8")
        page = page.replace(f"/* {name} */", text)
        digest = b64encode(sha256(text.encode()).digest()).decode()
        allowed[use] = f"{allowed.get(use, use)} 'sha256-{digest}'"
    return page.encode(), "; ".join((*POLICY, *allowed.values()))
