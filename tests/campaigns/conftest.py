"""A sponsor with money, campaigns of a few shares, users who shake until they have won."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeAlias

import asyncpg
import pytest

from client_sim.sdk.client import Client
from protocol import messages
from server.core.campaigns.deck import Band, fitting_budget
from server.core.ids import BACKEND
from server.services.money.audit import Report, audit
from storage.postgres.database import Database
from tests.conftest import DAY_MS, PATIENCE_S, SEED_KEYS, Connect, Server, TurnedClock

SPONSOR = 700
SPONSOR_FEN = 10_000_000
BANDS = [(200, 299, 900_000), (300, 500, 100_000)]
SECOND_MS = 1_000

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Festival:
    """Campaigns of one sponsor, and the clock of the servers."""

    def __init__(self, backend: Client, clock: TurnedClock, database: Database) -> None:
        self.backend = backend
        self.clock = clock
        self.database = database
        self._made = 0

    async def campaign(self, shares: int = 100, lasts_ms: int = DAY_MS, **options: Any) -> int:
        """A campaign that has run for a year, so that all its shares are due; it ends after `lasts_ms`."""
        now_ms = self.clock.now_ms()
        self._made += 1
        made = await self.backend.create_campaign(
            options.pop("sponsor", SPONSOR),
            "spring",
            options.pop("starts_at_ms", now_ms - 364 * DAY_MS),
            options.pop("ends_at_ms", now_ms + lasts_ms),
            shares,
            options.pop("budget_fen", budget_of(shares)),
            options.pop("bands", BANDS),
            key=f"campaign {self._made}",
            **options,
        )
        return made.campaign_id

    def now_ms(self) -> int:
        """The time of the servers."""
        return self.clock.now_ms()

    def ahead(self, ms: int) -> None:
        """The time of the servers jumps ahead."""
        self.clock.ahead_ms += ms

    def freeze(self) -> None:
        """The time of the servers stands still, at the beginning of the next second."""
        self.clock.stopped_ms = (self.clock.now_ms() // SECOND_MS + 1) * SECOND_MS - self.clock.ahead_ms

    def next_second(self) -> None:
        """The users have another chance."""
        self.clock.ahead_ms += SECOND_MS

    async def shake_until(
        self, client: Client, campaign_id: int, results: Collection[str] = ("won",)
    ) -> messages.Shaken:
        """Shake, second by second, until one of these results comes."""
        async with asyncio.timeout(PATIENCE_S):
            while (shaken := await client.shake(campaign_id)).result not in results:
                self.next_second()
                await asyncio.sleep(0.01)
        return shaken

    async def audit(self) -> Report:
        """The audit of everything."""
        return await audit(self.database, SEED_KEYS)

    async def assert_books_balance(self) -> None:
        """The audit finds nothing."""
        found = [line for finding in (await self.audit()).findings for line in finding.discrepancies]
        assert found == []


def budget_of(shares: int) -> int:
    """What the shares of BANDS add up to."""
    return fitting_budget(shares, [Band(*band) for band in BANDS])


MakeFestival = Callable[[Server], Awaitable[Festival]]


@pytest.fixture
def make_festival(connect: Connect, server_clock: TurnedClock, database: Database) -> MakeFestival:
    """Makes a sponsor who has been paid in, at a server."""

    async def make(server: Server) -> Festival:
        backend = await connect(server, BACKEND)
        await backend.put_sponsor(SPONSOR, "某超市")
        await backend.top_up(SPONSOR, SPONSOR_FEN, "sponsor")
        return Festival(backend, server_clock, database)

    return make


@pytest.fixture
async def festival(server: Server, make_festival: MakeFestival) -> Festival:
    """A sponsor at the one server."""
    return await make_festival(server)


Settled = Callable[[], Awaitable[None]]


@pytest.fixture
def settled(sql: Sql) -> Settled:
    """Waits until every claim is credited."""

    async def wait() -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await sql.fetchval("SELECT count(*) FROM settlement_queue, pg_sleep(0.02)"):
                pass

    return wait


async def closed(festival: Festival, campaign_id: int) -> messages.CampaignReportShown:
    """The report, once the books of a campaign are closed."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            report = await festival.backend.campaign_report(campaign_id)
            if report.seed:
                return report
            await asyncio.sleep(0.05)


async def crowd(connect: Connect, server: Server, first: int, count: int) -> list[Client]:
    """Users first, first + 1, …"""
    return [await connect(server, user_id) for user_id in range(first, first + count)]
