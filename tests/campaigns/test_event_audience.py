"""Campaigns for users of whom an event was reported: decided by the record, in step on all servers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from client_sim.sdk import NotAllowed
from client_sim.sdk.client import Client
from client_sim.sdk.errors import Refusal
from storage.errors import StoreUnavailable
from storage.postgres.enterprise.bills import BillStore, ReportedRow
from tests.campaigns.conftest import SPONSOR, Festival, MakeFestival, Settled, Sql
from tests.conftest import Connect, Server, StartServer

OTHER_SPONSOR = 701


async def followed(backend: Client, user_id: int, kind: str = "follow", sponsor_id: int = SPONSOR) -> None:
    """The chat backend reports an event."""
    await backend.report_event(sponsor_id, f"{kind} {user_id}".replace(" ", "-"), kind, user_id)


async def refused(request: Awaitable[Any]) -> str:
    with pytest.raises(Refusal) as caught:
        await request
    return caught.value.name


async def test_only_users_with_the_event_shake_and_from_then_on(
    server: Server, connect: Connect, festival: Festival, settled: Settled
) -> None:
    campaign_id = await festival.campaign(event_kind="follow")
    alice, bob = await connect(server, 11), await connect(server, 12)
    await followed(festival.backend, 11)
    await festival.shake_until(alice, campaign_id)
    for _ in range(3):
        with pytest.raises(NotAllowed):
            await bob.shake(campaign_id)
    assert (await bob.campaign(campaign_id)).campaign.event_kind == "follow"
    assert [one.event_kind for one in (await bob.campaigns()).campaigns] == ["follow"]
    await followed(festival.backend, 12, "sign_up")
    assert await refused(bob.shake(campaign_id)) == "not_allowed"
    await followed(festival.backend, 12)
    await festival.shake_until(bob, campaign_id)
    await settled()
    await festival.assert_books_balance()


async def test_event_of_another_sponsor_does_not_count(
    server: Server, connect: Connect, festival: Festival
) -> None:
    await festival.backend.put_sponsor(OTHER_SPONSOR, "Bakery")
    campaign_id = await festival.campaign(event_kind="sign_up")
    alice = await connect(server, 11)
    await followed(festival.backend, 11, "sign_up", OTHER_SPONSOR)
    assert await refused(alice.shake(campaign_id)) == "not_allowed"
    await followed(festival.backend, 11, "sign_up")
    await festival.shake_until(alice, campaign_id)


async def test_report_counts_on_another_server_when_it_is_answered(
    start_server: StartServer, connect: Connect, make_festival: MakeFestival
) -> None:
    first, second = await start_server(), await start_server(server__node=1)
    festival = await make_festival(first)
    campaign_id = await festival.campaign(event_kind="follow")
    alice = await connect(second, 11)
    assert await refused(alice.shake(campaign_id)) == "not_allowed"
    await followed(festival.backend, 11)
    assert (await alice.shake(campaign_id)).result in ("won", "rest", "nothing")


async def test_refused_shakes_ask_the_record_once(
    server: Server, connect: Connect, festival: Festival, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = await festival.campaign(event_kind="follow")
    alice, bob = await connect(server, 11), await connect(server, 12)
    await followed(festival.backend, 12)
    asked: list[ReportedRow] = []
    reported = BillStore.reported

    async def counted(self: BillStore, rows: list[ReportedRow]) -> set[ReportedRow]:
        asked.extend(rows)
        return await reported(self, rows)

    monkeypatch.setattr(BillStore, "reported", counted)
    for _ in range(5):
        assert await refused(alice.shake(campaign_id)) == "not_allowed"
        await bob.shake(campaign_id)
    assert sorted(row.user_id for row in asked) == [11, 12]
    shakes, before = server.app.services.campaigns.shakes, asyncio.all_tasks()
    for _ in range(100):
        with pytest.raises(Exception, match="no event follow"):
            shakes.shake(campaign_id, 11, 1, 1, festival.now_ms())
    assert (asyncio.all_tasks(), server.app.services.campaigns.waiting) == (before, 0)


async def test_look_up_that_a_report_overtakes_is_not_kept(
    server: Server, connect: Connect, festival: Festival, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = await festival.campaign(event_kind="follow")
    alice = await connect(server, 11)
    read, go_on = asyncio.Event(), asyncio.Event()
    reported = BillStore.reported

    async def slow(self: BillStore, rows: list[ReportedRow]) -> set[ReportedRow]:
        found = await reported(self, rows)
        read.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(BillStore, "reported", slow)
    shaking = asyncio.ensure_future(refused(alice.shake(campaign_id)))
    await read.wait()
    await followed(festival.backend, 11)
    go_on.set()
    assert await shaking == "not_allowed"  # it was asked before the report was answered
    monkeypatch.undo()
    await festival.shake_until(alice, campaign_id)


async def test_gap_in_the_feed_is_caught_up_with(
    server: Server, connect: Connect, festival: Festival, sql: Sql
) -> None:
    campaign_id = await festival.campaign(event_kind="follow")
    alice = await connect(server, 11)
    assert await refused(alice.shake(campaign_id)) == "not_allowed"
    await sql.execute("ALTER TABLE reported_users DISABLE TRIGGER notify_insert")
    await server.app.stores.bills.report(SPONSOR, "e1", "follow", 11, 1)
    assert await refused(alice.shake(campaign_id)) == "not_allowed"
    await server.app.services.enterprise.reported.catch_up()
    await festival.shake_until(alice, campaign_id)


async def test_campaign_has_one_audience(festival: Festival, connect: Connect, server: Server) -> None:
    alice = await connect(server, 11)
    group_id = await alice.create_group("一家人")
    assert await refused(festival.campaign(event_kind="follow", group_id=group_id)) == "bad_campaign"
    assert await refused(festival.campaign(event_kind="leave")) == "bad_request"


async def test_store_that_is_away_refuses_for_now(
    server: Server, connect: Connect, festival: Festival, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = await festival.campaign(event_kind="follow")
    alice = await connect(server, 11)
    await followed(festival.backend, 11)

    async def away(self: BillStore, rows: list[ReportedRow]) -> set[ReportedRow]:
        raise StoreUnavailable("PostgreSQL: away")

    monkeypatch.setattr(BillStore, "reported", away)
    assert await refused(alice.shake(campaign_id)) == "store_unavailable"
    monkeypatch.undo()
    await festival.shake_until(alice, campaign_id)


async def test_audit_names_a_winner_without_the_event(
    server: Server, connect: Connect, festival: Festival, settled: Settled, sql: Sql
) -> None:
    campaign_id = await festival.campaign()
    alice = await connect(server, 11)
    await festival.shake_until(alice, campaign_id)
    await settled()
    await sql.execute("UPDATE campaigns SET event_kind = 'follow' WHERE campaign_id = $1", campaign_id)
    (wins,) = [one.discrepancies for one in (await festival.audit()).findings if one.name == "wins"]
    assert list(wins) == [
        f"campaign {campaign_id}: user 11 has won, and no event follow of sponsor {SPONSOR} was reported"
    ]
