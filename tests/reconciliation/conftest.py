"""Reconciliation on real PostgreSQL: the service with its loop, without a server around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from server.clock import Clock
from server.core.reconciliation.days import DAY_MS, first_ms
from server.services.reconciliation.jobs import ReconciliationJob
from server.services.reconciliation.service import ReconciliationService
from storage.postgres.database import Database
from storage.postgres.money.payments import PaymentStore
from storage.postgres.reconciliation.breaks import BreakStore
from storage.postgres.reconciliation.matching import MatchingStore
from storage.postgres.reconciliation.statements import BankStatementStore
from tests.conftest import PATIENCE_S
from tests.reconciliation.books import ALICE, DAY, source_of


class SetClock(Clock):
    """A clock that stands: at 10:00 (Beijing) of the day after both days of the books."""

    def __init__(self) -> None:
        super().__init__()
        self.at_ms = first_ms(DAY) + 2 * DAY_MS + 10 * 3_600_000

    def now_ms(self) -> int:
        return self.at_ms


class Reconciler:
    """The service, and the files that it is given."""

    def __init__(self, service: ReconciliationService, clock: SetClock) -> None:
        self.service, self.clock = service, clock

    async def job(self, path: Path) -> ReconciliationJob:
        """Give it a file; the job once it is over."""
        job = self.service.start(path, ALICE)
        async with asyncio.timeout(PATIENCE_S):
            while not job.is_over:  # noqa: ASYNC110  operators ask again, too
                await asyncio.sleep(0.005)
        return job

    async def done(self, path: Path) -> ReconciliationJob:
        """The same for a file that is right."""
        job = await self.job(path)
        assert job.state == "done", job.why
        return job


@pytest.fixture
async def reconciler(database: Database) -> AsyncIterator[Reconciler]:
    """Reconciliation of one gateway, `bank`."""
    clock = SetClock()
    service = ReconciliationService(
        BankStatementStore(database),
        MatchingStore(database),
        BreakStore(database),
        PaymentStore(database),
        None,
        source_of("bank"),
        clock,
    )
    running = asyncio.create_task(service.run())
    yield Reconciler(service, clock)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
