"""Scenario `webhooks`: sends at a rate, each told to receivers of this process, a third of which hang.

An operation is a send, as in the scenario `send`. Of six endpoints that want `packet.sent`, two never answer. The
lag of a delivery is the time from the send, by the clock of the records, until a receiver has the request. The run
waits for the last deliveries, and those that have not come by then are missing.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import ClassVar, Final

import msgspec
from aiohttp import web

from bench.load.outcome import Outcome
from bench.load.run_spec import GeneratorSpec
from bench.load.setup import RequestsByUser, Say, SetupFailed
from bench.scenarios.basic import Send
from bench.scenarios.scenario import Standard
from client_sim.sim.histogram import Histogram
from server.core.webhooks.addresses import networks_of
from server.services.webhooks.secrets import WebhookSecrets
from server.services.webhooks.service import WebhookService
from storage.postgres.database import Database
from storage.postgres.webhooks.deliveries import DeliveryStore
from storage.postgres.webhooks.endpoints import EndpointStore

ENDPOINTS: Final = 6
HANGING: Final = 2
SECRET: Final = "whsec_" + "QUFB" * 11
LAST_S: Final = 20.0  # for the last deliveries


class Told(msgspec.Struct):
    """What the scenario reads of a body."""

    class Data(msgspec.Struct):
        packet_id: str
        created_at_ms: int

    data: Data


class Webhooks(Send):
    """An operation is one send; the deliveries have figures of their own."""

    about = "users send packets, each told to 6 endpoints, of which 2 hang"
    standard = Standard(connections=100, depth=0, rate_per_s=250, seconds=10.0)
    refuses: ClassVar = ("--find-max", "--p99-ms", "--depth", "--requests", "--generators")
    because: ClassVar = "it shows the lag of deliveries at a rate"
    supports_tls = False
    sections = '[webhooks]\nallow_private = ["127.0.0.1"]\n'  # the receivers are in the generators

    def __init__(self, spec: GeneratorSpec, say: Say) -> None:
        super().__init__(spec, say)
        self._lags_ms: list[float] = []
        self._told: set[tuple[str, str]] = set()  # (path, packet)
        self._repeated = self._hanging = self._wanted = 0
        self._come_all = asyncio.Event()
        self._receivers: web.Server
        self._listening: asyncio.Server

    async def first_requests(self, users: int, operations_each: int) -> RequestsByUser:
        """Also make receivers and their endpoints."""
        requests = await super().first_requests(users, operations_each)
        self._receivers = web.Server(self._receive, access_log=None)
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._receivers, "127.0.0.1", 0, backlog=1024)
        await self._subscribe(self._listening.sockets[0].getsockname()[1])
        return requests

    async def _subscribe(self, port: int) -> None:
        if not self.spec.dsn:
            raise SetupFailed("this scenario makes endpoints in the records: run it on a server of its own")
        database = Database(self.spec.dsn, pool_max=1, timeout_s=5.0)
        await database.open()
        try:
            endpoints, deliveries = EndpointStore(database), DeliveryStore(database, database.writer())
            allowed = networks_of(["127.0.0.1"])
            secrets = WebhookSecrets(endpoints, {}, os.urandom)  # the server seals them
            service = WebhookService(endpoints, deliveries, secrets, allowed, lambda: time.time_ns() // 1_000_000)
            for number in range(ENDPOINTS):
                kind = "hang" if number < HANGING else "kind"
                url = f"http://127.0.0.1:{port}/{kind}/{number}"
                await service.put(f"bench{number}", url, ["packet.sent"], SECRET)
        finally:
            await database.close()

    async def _receive(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/hang"):
            self._hanging += 1
            await asyncio.sleep(3_600)
        now_ms, told = time.time() * 1000, msgspec.json.decode(await request.read(), type=Told)
        key = (request.path, told.data.packet_id)
        if key in self._told:
            self._repeated += 1
        else:
            self._told.add(key)
            self._lags_ms.append(max(0.0, now_ms - told.data.created_at_ms))
            if len(self._told) == self._wanted:
                self._come_all.set()
        return web.Response(status=204)

    async def measure(self) -> None:
        try:
            await super().measure()
            await self._last_deliveries()
        finally:
            self._listening.close()
            await self._receivers.shutdown(0.1)  # 0 would wait for those that hang

    async def _last_deliveries(self) -> None:
        self._wanted = len(self.log.replies) * (ENDPOINTS - HANGING)
        self._come_all.clear()
        if len(self._told) < self._wanted:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_S):
                    await self._come_all.wait()

    def outcome(self) -> Outcome:
        """With the lag of deliveries."""
        outcome, lags = super().outcome(), Histogram.of(self._lags_ms)
        outcome.spreads["webhook_lag_ms"] = lags.encoded()
        outcome.extra |= {
            "deliveries": len(self._told),
            "deliveries_missing": self._wanted - len(self._told),
            "deliveries_repeated": self._repeated,
            "deliveries_per_s": round(len(self._told) / max(self.run_spec.seconds, 0.001), 1),
            "lag_p50_ms": round(lags.percentile(50), 1),
            "lag_p99_ms": round(lags.percentile(99), 1),
            "tries_that_hang": self._hanging,
        }
        return outcome
