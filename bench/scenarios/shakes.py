"""Scenarios of campaigns: `shakes`, `wins`.

`shakes`: users shake in a campaign in which nothing is due, as nearly all shakes of a festival do: the server
decides in memory. The upper bound is `echo`, which answers a frame of the same length.

`wins`: users shake in campaigns in which all shares are due, once in each: every shake wins, and is answered when
the win is durable. The server also does what it does at a festival: it leases numbers, records wins, and settles
them.
"""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar, Final

from bench.load.setup import BACKEND, SENDER_PLACE, RequestsByUser, SetupFailed
from bench.load.transport import MeasuredConnection
from bench.scenarios.scenario import Requests, Standard
from protocol import messages

SHARE_FEN: Final = 200
HOUR_MS: Final = 3_600_000
LONG_MS: Final = 8_000 * HOUR_MS  # a campaign may last a year
FEW_SHARES: Final = 10  # in a year: nothing is due
LEASES: Final = 8  # of a campaign: a lease has an eighth of its shares at most
LEASE_SHARES_MAX: Final = 4_096
READY_S: Final = 60.0
POLL_S: Final = 0.1
CHANCE_S: Final = 1.0  # a user has one chance in each second


class Shakes(Requests):
    """An operation is one shake that wins nothing."""

    about = "users shake, and nothing is due: answered from memory"
    rate_of = "shakes answered"
    standard = Standard(connections=200, depth=1, requests=200_000, rate_per_s=10_000)
    counted: ClassVar = frozenset({"nothing", "limit"})  # limit: to the user who won the share that is due at once

    async def first_requests(self, users: int, operations_each: int) -> RequestsByUser:
        """All shake in one campaign."""
        connections = await self.setup.log_in_users(users)
        now_ms = time.time_ns() // 1_000_000
        (campaign_id,) = await self.make_campaigns(1, FEW_SHARES, now_ms, now_ms + LONG_MS)
        await self._win_first(connections[0], campaign_id)
        return {one: [messages.Shake(0, campaign_id) for _ in range(operations_each)] for one in connections}

    async def _win_first(self, one: MeasuredConnection, campaign_id: int) -> None:
        """The first share is due at once: it is won before the clock starts. Raises SetupFailed."""
        deadline_s = time.monotonic() + READY_S
        while True:
            (reply,) = (await self.setup.request({one: [messages.Shake(0, campaign_id)]}))[one]
            if isinstance(reply, messages.Shaken) and reply.result == "won":
                return
            if time.monotonic() > deadline_s:
                raise SetupFailed("the preparation failed: the first share of a campaign was not won in time")
            await asyncio.sleep(CHANCE_S)

    async def make_campaigns(self, count: int, shares: int, starts_at_ms: int, ends_at_ms: int) -> list[int]:
        """Campaigns of one sponsor, whose first numbers are leased. Raises SetupFailed."""
        setup, sponsor_id = self.setup, self.spec.first_user + SENDER_PLACE
        setup.say(f"{count:,} campaigns of {shares:,} shares are made")
        (backend,) = await setup.connect([BACKEND])
        budget_fen, bands = shares * SHARE_FEN, [messages.DeckBand(SHARE_FEN, SHARE_FEN, 1_000_000)]
        first = (
            messages.PutSponsor(0, sponsor_id, "bench"),
            messages.TopUp(0, setup.new_key(), sponsor_id, count * budget_fen),
        )
        for one in first:  # one after the other: the second needs the first
            await setup.request({backend: [one]})
        content = "bench", starts_at_ms, ends_at_ms, shares, budget_fen, "bands", bands
        todo = [messages.CreateCampaign(0, setup.new_key(), sponsor_id, *content) for _ in range(count)]
        made = (await setup.request({backend: todo}))[backend]
        campaign_ids = [one.campaign_id for one in made if isinstance(one, messages.CampaignCreated)]
        await self._leased(backend, campaign_ids)
        backend.close()
        return campaign_ids

    async def _leased(self, backend: MeasuredConnection, campaign_ids: list[int]) -> None:
        """Wait until numbers of each campaign are leased. Raises SetupFailed."""
        reports = [messages.CampaignReport(0, campaign_id) for campaign_id in campaign_ids]
        deadline_s = time.monotonic() + READY_S
        while True:
            told = (await self.setup.request({backend: reports}))[backend]
            if all(isinstance(one, messages.CampaignReportShown) and one.open_leases for one in told):
                return
            if time.monotonic() > deadline_s:
                raise SetupFailed("the preparation failed: numbers of a campaign were not leased in time")
            await asyncio.sleep(POLL_S)


class Wins(Shakes):
    """An operation is one shake, which wins."""

    about = "users shake once in each of many campaigns whose shares are all due: every shake wins"
    rate_of = "shakes told as won"
    standard = Standard(connections=1000, depth=1, requests=60_000, rate_per_s=5_000)
    counted: ClassVar = frozenset({"won"})

    async def first_requests(self, users: int, operations_each: int) -> RequestsByUser:
        """A campaign for each operation of a user; one of its leases is enough for all users."""
        connections = await self.setup.log_in_users(users)
        now_ms = time.time_ns() // 1_000_000
        times = now_ms - LONG_MS, now_ms + HOUR_MS
        shares = LEASES * min(users, LEASE_SHARES_MAX)
        campaign_ids = await self.make_campaigns(operations_each, shares, *times)
        return {one: [messages.Shake(0, campaign_id) for campaign_id in campaign_ids] for one in connections}
