"""A dashboard over HTTP that shows the samples of a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest

from protocol.money_unit import YUAN, MoneyUnit
from server.ops.dashboard import feed as dashboard_module
from server.ops.dashboard.feed import Dashboard
from server.ops.health import Health
from server.ops.http import Http
from server.ops.metrics import Metrics
from server.ops.samples.sample import Sample, WorkerRow
from tests.ops.samples import EMPTY, FixedSampler

VERSION = "1.2.3"
NAME = "ops.example"


class Feed(NamedTuple):
    """A served dashboard."""

    port: int
    http: Http
    dashboard: Dashboard
    samples: list[Sample]

    def show(self, *samples: Sample) -> None:
        """Append samples, as if seconds had passed."""
        self.samples.extend(samples)


@asynccontextmanager
async def serve(
    health: Health, port: int = 0, money: MoneyUnit = YUAN, workers: Sequence[WorkerRow] = ()
) -> AsyncIterator[Feed]:
    """The dashboard is served inside `async with`; its first sample is EMPTY."""
    samples = [EMPTY]
    sampler = FixedSampler(samples)
    dashboard = Dashboard(sampler, lambda: health, VERSION, money, lambda: [*workers])
    http = Http(lambda: health, Metrics(sampler, VERSION, money), dashboard.routes(), {NAME})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dashboard_module, "POLL_S", 0.005)
        running = asyncio.create_task(dashboard.run())
        try:
            yield Feed(await http.open("127.0.0.1", port), http, dashboard, samples)
        finally:
            running.cancel()
            await asyncio.wait([running])
            await http.close()
