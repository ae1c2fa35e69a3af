"""The page at `/`: one document that needs nothing else, kept alive by server-sent events made of samples.

An event tells the newest sample, what lies between the last ones, and points for the charts: a minute of them to
who comes, one to who listens. A listener costs the others nothing: an event is made once for all, only while
somebody listens, and who does not read is let go.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Collection
from hashlib import sha256
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from server.core.latency import BOUNDS_MS
from server.ops.balance import Balance, Balancer
from server.ops.health import Health
from server.ops.rates import Rates, rates
from server.ops.sample import Counts, Sample
from server.ops.sampler import Sampler

LISTENERS_MAX: Final = 16
SLOW_S: Final = 5.0  # so long may a listener take to read an event
LOOK_S: Final = 0.25  # for a new sample
CHART_S: Final = 60
LATELY_S: Final = 10
HERE: Final = "localhost"
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
    balance: Balance | None
    points: list[Point]


class Dashboard:
    """The page and its stream."""

    def __init__(
        self, sampler: Sampler, health: Callable[[], Health], version: str, names: Collection[str] = ()
    ) -> None:
        """`names`: of hosts under which it may be asked for, besides localhost and addresses."""
        self._sampler = sampler
        self._health = health
        self._version = version
        self._names = {HERE, *names}
        self._page, self._policy = _assemble()
        self._balancer = Balancer()
        self._seen: Sample | None = None
        self._news = b""
        self._turned = asyncio.Event()
        self.listeners = 0

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

    async def _show(self, request: web.Request) -> web.Response:
        self._check_host(request)
        headers = _HEADERS | {"Content-Security-Policy": self._policy}
        return web.Response(body=self._page, content_type="text/html", charset="utf-8", headers=headers)

    async def _tell(self, request: web.Request) -> web.StreamResponse:
        self._check_host(request)
        if self.listeners >= LISTENERS_MAX:
            raise web.HTTPServiceUnavailable(text=f"{LISTENERS_MAX} listen already", headers={"Retry-After": "10"})
        response = web.StreamResponse(headers=_HEADERS | {"Content-Type": "text/event-stream; charset=utf-8"})
        self.listeners += 1
        try:
            await self._stream(request, response)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()  # nothing that waits in it would ever be read
        finally:
            self.listeners -= 1
        return response

    async def _stream(self, request: web.Request, response: web.StreamResponse) -> None:
        await response.prepare(request)
        event, turned = self._event("minute", CHART_S), self._turned
        while True:
            async with asyncio.timeout(SLOW_S):
                await response.write(event)
            await turned.wait()
            event, turned = self._news, self._turned

    def _check_host(self, request: web.Request) -> None:
        """A page of somebody else's may make a name of theirs lead here, and would then read what we tell."""
        if not _is_here(request.host, self._names):
            raise web.HTTPMisdirectedRequest(text="ask for it by an address, localhost or a name from the config")


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


def _is_here(host: str, names: Collection[str]) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name not in names:
            ip_address(name)
    except ValueError:
        return False
    return True


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
