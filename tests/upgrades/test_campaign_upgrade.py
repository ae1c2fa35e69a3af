"""A server before migrations 0026 to 0028 was killed with campaigns, leases, bills and events; this one goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
from redis import asyncio as aioredis

from client_sim.sdk.client import Client
from client_sim.sdk.errors import NotAllowed
from server.core.campaigns.deck import Band, BandDeck
from server.core.campaigns.proof import faults, to_json
from server.core.ids import BACKEND
from server.services.campaigns.publish import published_proof
from server.services.money.audit import audit
from storage.postgres import migrate
from storage.postgres.database import Database
from tests.campaigns.test_leases import assert_given_once
from tests.conftest import PATIENCE_S, SEED_KEYS, Connect, Server, StartServer, TurnedClock
from tests.core.test_campaign_proofs import python_faults
from tests.services.conftest import until
from tests.upgrades.conftest import NewDatabase

HERE = Path(__file__).parent  # make_campaign_dump.py made the files in it
NOW_MS = 1_790_000_000_000
SOON_AFTER_MS = NOW_MS + 3_600_000
HOUR_MS = 3_600_000
SPONSOR, POOR, ANN, BEN, CARL, DORA = 700, 701, 1, 2, 3, 4
ENDPOINT = """
INSERT INTO webhook_endpoints (name, url, types, secret, created_at_ms, changed_at_ms)
VALUES ('shop', 'https://shop.example/hooks', '{}', decode(repeat('61', 32), 'hex'), 0, 0)
"""


class World(NamedTuple):
    """The current server on the books of the older version. `campaigns`: ids by name."""

    server: Server
    backend: Client
    users: dict[int, Client]
    campaigns: dict[str, int]
    sql: asyncpg.Connection[asyncpg.Record]
    database: Database
    clock: TurnedClock
    group_id: int

    async def assert_books_balance(self) -> None:
        found = await audit(self.database, SEED_KEYS)
        assert [line for one in found.findings for line in one.discrepancies] == []

    async def shake_until(self, user_id: int, name: str, *results: str) -> str:
        """Shake, second by second, until one of these results."""
        async with asyncio.timeout(PATIENCE_S):
            while (shaken := await self.users[user_id].shake(self.campaigns[name])).result not in results:
                self.clock.ahead_ms += 1_000
                await asyncio.sleep(0.01)
        return shaken.result


@pytest.fixture
async def world(
    new_database: NewDatabase,
    redis: aioredis.Redis,
    server_clock: TurnedClock,
    start_server: StartServer,
    connect: Connect,
) -> AsyncIterator[World]:
    dsn = await new_database()
    sql = await asyncpg.connect(dsn)
    await sql.execute((HERE / "0025.sql").read_text("utf-8"))
    await sql.execute("SET search_path TO public")  # the dump clears it
    await sql.execute(ENDPOINT)  # events are written from the upgrade on
    for key, log in json.loads((HERE / "0025.json").read_text("utf-8")).items():
        await redis.set(key, bytes.fromhex(log))
    server_clock.stopped_ms = SOON_AFTER_MS
    server = await start_server(stores__postgres=dsn)
    backend = await connect(server, BACKEND)
    users = {user_id: await connect(server, user_id) for user_id in (ANN, BEN, CARL, DORA)}
    group_id = await backend.put_group("family", "Family")
    await backend.sync_members(group_id, 1, list(users))
    names = {row["name"]: row["campaign_id"] for row in await sql.fetch("SELECT name, campaign_id FROM campaigns")}
    database = Database(dsn, pool_max=2, timeout_s=10)
    await database.open()
    yield World(server, backend, users, names, sql, database, server_clock, group_id)
    await database.close()
    await server.stop()
    await sql.close()


async def test_campaigns_bills_and_events_go_on_after_the_upgrade(world: World) -> None:
    assert await world.sql.fetchval("SELECT max(number) FROM migrations") == len(list(migrate.FOLDER.glob("*.sql")))
    await check_what_was_told(world)
    await check_running_campaign(world)
    await check_paused_later_and_ended_ones(world)
    await check_bills(world)
    await check_audience_of_an_event(world)
    await check_ends(world)
    await check_proofs(world)
    await world.assert_books_balance()


async def check_what_was_told(world: World) -> None:
    """Campaigns that ran have started, by the clock of the database; what was won before is not told any more."""
    rows = await world.sql.fetch("SELECT name, started_at_ms, starts_at_ms FROM campaigns WHERE name <> 'later'")
    assert [row["started_at_ms"] == row["starts_at_ms"] for row in rows] == [True] * 3
    told = "SELECT count(*) FROM leases JOIN packets USING (packet_id) WHERE told <> version"
    assert await world.sql.fetchval(told) == 0
    assert await world.sql.fetchval("SELECT count(*) FROM webhook_events WHERE type = 'campaign.won'") == 0


async def check_running_campaign(world: World) -> None:
    """The lease of the killed server is closed, its numbers are leased again; older wins count for the limit."""
    campaign_id = world.campaigns["running"]
    assert await assert_given_once(world.sql, campaign_id) == 3
    assert await world.shake_until(ANN, "running", "won", "limit") == "won"
    assert await world.shake_until(ANN, "running", "won", "limit") == "limit"
    assert await world.shake_until(DORA, "running", "won") == "won"
    assert await assert_given_once(world.sql, campaign_id) == 5


async def check_paused_later_and_ended_ones(world: World) -> None:
    assert (await world.users[BEN].shake(world.campaigns["paused"])).result == "rest"
    assert (await world.users[BEN].shake(world.campaigns["later"])).result == "rest"
    assert (await world.users[BEN].shake(world.campaigns["over"])).result == "ended"
    await world.backend.resume_campaign(world.campaigns["paused"])
    assert await world.shake_until(ANN, "paused", "won", "limit") == "limit"
    assert await world.shake_until(BEN, "paused", "won") == "won"


async def check_bills(world: World) -> None:
    """The same number is the same bill; a failed one is tried again; groups get some, too."""
    backend = world.backend
    assert (await backend.send_bill(SPONSOR, "done", ANN, 888, "done")).status == "RECEIVED"
    still_open = await backend.send_bill(SPONSOR, "open", BEN, 666, "open")
    assert still_open.status == "SENT"
    assert (await world.users[BEN].open(still_open.packet_id)).amount_fen == 666
    assert (await backend.bill(POOR, "failed")).status == "FAILED"
    await backend.top_up(POOR, 500, "funds")
    assert (await backend.send_bill(POOR, "failed", CARL, 500, "failed")).status == "SENT"
    group_bill = await backend.send_group_bill(SPONSOR, "family", world.group_id, "enterprise_equal", 1_000, 2)
    assert (await world.users[DORA].open(group_bill.packet_id)).amount_fen == 500
    listed = [one.bill_number for one in (await backend.bills(SPONSOR)).bills]
    assert {"done", "open", "family"} <= set(listed)


async def check_audience_of_an_event(world: World) -> None:
    """A user who has followed before the upgrade may shake where followers may."""
    deck = BandDeck(10, [Band(200, 299, 900_000), Band(300, 500, 100_000)])
    window = world.clock.now_ms() - 364 * 24 * HOUR_MS, world.clock.now_ms() + 12 * HOUR_MS
    made = await world.backend.create_campaign(
        SPONSOR, "followers", *window, 10, deck.total_fen, deck.bands, key="followers", event_kind="follow"
    )
    world.campaigns["followers"] = made.campaign_id
    with pytest.raises(NotAllowed):
        await world.users[ANN].shake(made.campaign_id)
    assert await world.shake_until(CARL, "followers", "won") == "won"
    again = await world.backend.report_event(SPONSOR, "event-1", "follow", CARL)
    assert again.bill_number


async def check_ends(world: World) -> None:
    """All campaigns end, the rest goes back once, and every win of after the upgrade was told before the end."""
    world.clock.ahead_ms += 48 * HOUR_MS
    await until(lambda: world.sql.fetchval("SELECT bool_and(closed_at_ms IS NOT NULL) FROM campaigns"))
    for name in ("over", "running", "paused", "later", "followers"):
        await assert_given_once(world.sql, world.campaigns[name])
    told = await world.sql.fetch("SELECT type, subject, number, previous FROM webhook_events ORDER BY event_id")
    ended = [row["subject"] for row in told if row["type"] == "campaign.ended"]
    assert sorted(ended) == sorted(world.campaigns[name] for name in ("running", "paused", "later", "followers"))
    wins = sum(row["number"] - row["previous"] for row in told if row["type"] == "campaign.won")
    assert wins == 2 + 1 + 1  # running, paused, followers
    nothing = "SELECT NOT EXISTS (SELECT FROM settlement_queue) AND NOT EXISTS (SELECT FROM outbox)"
    await until(
        lambda: world.sql.fetchval(f"{nothing} AND NOT EXISTS (SELECT FROM packets WHERE closed_at_ms IS NULL)")
    )


async def check_proofs(world: World) -> None:
    """Each campaign proves its wins, those of before the upgrade too."""
    for name in ("over", "running", "paused"):
        proof = await published_proof(world.database, world.campaigns[name], SEED_KEYS)
        assert proof is not None
        assert (faults(proof), len(proof.wins)) == ([], {"over": 2, "running": 5, "paused": 2}[name])
        assert python_faults(json.loads(to_json(proof))) == []
