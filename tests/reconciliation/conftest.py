"""Reconciliation on real PostgreSQL: the service with its loop, without a server around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from server.clock import Clock
from server.core.reconciliation.days import DAY_MS, first_ms
from server.instance import STATUS_SOCKET
from server.ops.socket.status_socket import Peer, ask
from server.services.reconciliation.jobs import ReconciliationJob
from server.services.reconciliation.service import ReconciliationService
from storage.postgres.database import Database
from storage.postgres.money.payments import PaymentStore
from storage.postgres.reconciliation.breaks import BreakStore
from storage.postgres.reconciliation.matching import MatchingStore
from storage.postgres.reconciliation.statements import BankStatementStore
from tests.conftest import PATIENCE_S, Server, StartServer, TurnedClock
from tests.reconciliation.books import ALICE, BOB, DAY, source_of


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


OVER = ("done", "refused")


class Operators:
    """A server whose bank signs as in the tests, and users of the system who ask it."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self._folder = server, folder
        self.services = server.app.services.reconciliation
        self._status = server.app.operations._sockets._status
        self._status._change_uids |= {ALICE, BOB}

    async def ask(self, uid: int, *words: object) -> dict[str, Any]:
        """The answer to a user of the system, whom the kernel would name."""
        self._status._peer_of = lambda _: Peer(uid, 1)
        return await ask(self._folder / "server0" / STATUS_SOCKET, " ".join(map(str, words)))

    async def reconcile(self, path: Path) -> dict[str, Any]:
        """Give the server a file; its answer once it is over."""
        return await self.until_over((await self.ask(ALICE, "reconcile", quote(str(path))))["job"])

    async def fetch(self, day: date, folder: Path, gateway: str = "bank") -> dict[str, Any]:
        """Have the server fetch a statement into a folder; its answer once it is over."""
        words = "fetch-statement", gateway, day, quote(str(folder))
        return await self.until_over((await self.ask(ALICE, *words))["job"])

    async def until_over(self, job: int) -> dict[str, Any]:
        """How the import of a statement has ended."""
        async with asyncio.timeout(PATIENCE_S):
            while (found := await self.ask(ALICE, "reconciliation", job))["state"] not in OVER:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return found


@pytest.fixture
def stopped_clock(server_clock: TurnedClock) -> TurnedClock:
    """The servers' clock stands at 10:00 (Beijing), two days after DAY."""
    server_clock.stopped_ms = first_ms(DAY) + 2 * DAY_MS + 10 * 3_600_000
    return server_clock


@pytest.fixture
async def operators(stopped_clock: TurnedClock, start_server: StartServer, tmp_path: Path) -> Operators:
    """A server, its bank and its operators."""
    found = Operators(await start_server(), tmp_path)
    found.services.statements.use_sources(source_of("bank"))
    return found
