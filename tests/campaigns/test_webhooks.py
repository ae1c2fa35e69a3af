"""What webhooks tell of a campaign: how far it is, and its wins, some at once, each once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from client_sim.sdk.client import Client
from tests.campaigns.conftest import SPONSOR, Festival, MakeFestival, Settled, Sql, budget_of, closed, crowd
from tests.conftest import PATIENCE_S, Connect, Server, StartServer
from tests.webhooks.conftest import (
    LOOPBACK,
    SECRET,
    MakeReceiver,
    Received,
    Receiver,
    make_receiver,
    subscribe,
    until,
)

__all__ = ["make_receiver"]
HOUR_MS = 3_600_000
WON = "campaign.won"
LEASE = """
INSERT INTO packets (packet_id, sender_id, key, kind, target_id, total_fen, shares, share_fen_min, share_fen_max,
                     greeting, created_at_ms, expires_at_ms, version, claimed_fen)
VALUES ($1, $3, 'lease', 'shake', $2, 4096, 4096, 1, 1, '', 1, 2, $4::integer, $4::integer)
"""


@pytest.fixture
async def receiver(make_receiver: MakeReceiver) -> Receiver:
    """A receiver that accepts all."""
    return await make_receiver()


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    """One server that may send webhooks to this machine."""
    return await start_server(webhooks__allow_private=LOOPBACK)


def about(campaign_id: int) -> dict[str, Any]:
    return {"campaign_id": str(campaign_id), "name": "spring", "sponsor_id": str(SPONSOR)}


async def win(festival: Festival, client: Client, campaign_id: int) -> dict[str, Any]:
    """What a user wins, as an event tells of it, without time and number."""
    shaken = await festival.shake_until(client, campaign_id)
    assert shaken.win is not None
    return {"packet_id": str(shaken.win.packet_id), "amount_fen": shaken.win.amount_fen}


def told(receiver: Receiver) -> list[dict[str, Any]]:
    """All wins that were received, each with its packet."""
    return [{"packet_id": one.data["packet_id"], **line} for one in events(receiver) for line in one.data["wins"]]


def events(receiver: Receiver) -> list[Received]:
    """Each event once: one is delivered again if the clock jumps over the time that its server has for it."""
    return list({one.id: one for one in receiver.of(WON)}.values())


def numbers(receiver: Receiver, packet_id: str) -> list[tuple[int, int]]:
    """The numbers of the events of a lease in their order."""
    found = [one.data for one in events(receiver) if one.data["packet_id"] == packet_id]
    return sorted((one["previous"], one["number"]) for one in found)


async def test_campaign_is_told_from_its_start_to_what_it_has_spent(
    server: Server, connect: Connect, festival: Festival, receiver: Receiver, settled: Settled, sql: Sql
) -> None:
    await subscribe(server, receiver, "shop", *(f"campaign.{one}" for one in ("started", "paused", "resumed")), WON)
    await subscribe(server, receiver, "ends", "campaign.ended")
    campaign_id = await festival.campaign(100)
    (started,) = await receiver.wait_for(1, "campaign.started")
    row = await sql.fetchrow("SELECT starts_at_ms, ends_at_ms FROM campaigns")
    terms = about(campaign_id) | {"shares": 100, "budget_fen": budget_of(100), **dict(row or {})}
    assert started.data == terms | {"number": 1, "previous": 0}
    for _ in range(2):  # again is harmless, and is not told again
        await festival.backend.pause_campaign(campaign_id)
    for _ in range(2):
        await festival.backend.resume_campaign(campaign_id)
    alice = await connect(server, 11)
    won = await win(festival, alice, campaign_id)
    await receiver.wait_for(1, WON)
    await festival.backend.end_campaign(campaign_id)
    (ended,) = await receiver.wait_for(1, "campaign.ended")
    spent, closed_at_ms = won["amount_fen"], await sql.fetchval("SELECT closed_at_ms FROM campaigns")
    figures = {"won_shares": 1, "spent_fen": spent, "returned_fen": budget_of(100) - spent}
    assert ended.data == terms | figures | {"ended_at_ms": closed_at_ms, "number": 4, "previous": 3}
    for _ in range(3):
        await server.app.services.campaigns.loop.round()
    states = {one.data["number"]: one.type for one in receiver.received if one.type != WON}
    assert states == {1: "campaign.started", 2: "campaign.paused", 3: "campaign.resumed", 4: "campaign.ended"}
    (line,) = told(receiver)
    assert line == {**won, "share": line["share"], "user_id": "11", "at_ms": line["at_ms"]}
    assert receiver.of(WON)[0].data.items() >= about(campaign_id).items()
    types = [row["type"] for row in await sql.fetch("SELECT type FROM webhook_events ORDER BY event_id")]
    assert Counter(types) == Counter([*states.values(), WON])
    await settled()
    await festival.assert_books_balance()


async def test_all_wins_are_told_once_and_before_the_end_however_many_servers_give_them(
    start_server: StartServer,
    connect: Connect,
    make_festival: MakeFestival,
    receiver: Receiver,
    settled: Settled,
    sql: Sql,
) -> None:
    servers = [await start_server(webhooks__allow_private=LOOPBACK, server__node=node) for node in range(2)]
    festival = await make_festival(servers[0])
    await subscribe(servers[0], receiver, "shop", WON, "campaign.ended")
    campaign_id = await festival.campaign(40)
    users = [*await crowd(connect, servers[0], 100, 15), *await crowd(connect, servers[1], 200, 15)]
    won = await asyncio.gather(*(win(festival, user, campaign_id) for user in users))
    await festival.backend.end_campaign(campaign_id)
    await receiver.wait_for(1, "campaign.ended")
    last = await sql.fetchval("SELECT max(event_id) FROM webhook_events WHERE type = $1", WON)
    assert last < await sql.fetchval("SELECT event_id FROM webhook_events WHERE type = 'campaign.ended'")
    count = await sql.fetchval("SELECT count(*) FROM webhook_events WHERE type = $1", WON)
    await until(lambda: len(events(receiver)) == count)
    lines = told(receiver)
    assert Counter((one["packet_id"], one["amount_fen"]) for one in lines) == Counter(
        (one["packet_id"], one["amount_fen"]) for one in won
    )
    assert {int(one["user_id"]) for one in lines} == {*range(100, 115), *range(200, 215)}
    assert len({one["share"] for one in lines}) == 30
    for packet_id in {one["packet_id"] for one in lines}:
        ends = [end for _, end in numbers(receiver, packet_id)]
        assert [begin for begin, _ in numbers(receiver, packet_id)] == [0, *ends[:-1]]
    await settled()
    await festival.assert_books_balance()


async def test_wins_that_no_round_has_told_are_told_with_the_end(
    server: Server,
    connect: Connect,
    festival: Festival,
    receiver: Receiver,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def tell_nothing() -> None:
        return

    monkeypatch.setattr(server.app.services.campaigns.loop, "tell_wins", tell_nothing)
    await subscribe(server, receiver, "shop", WON, "campaign.ended")
    campaign_id = await festival.campaign()
    won = await win(festival, await connect(server, 11), campaign_id)
    await festival.backend.end_campaign(campaign_id)
    await receiver.wait_for(2)
    assert [one["amount_fen"] for one in told(receiver)] == [won["amount_fen"]]
    rows = await sql.fetch("SELECT type FROM webhook_events ORDER BY event_id")
    assert [row["type"] for row in rows] == [WON, "campaign.ended"]


async def test_many_wins_are_told_500_at_once(server: Server, festival: Festival, sql: Sql) -> None:
    """Written into the records: the rule of the parts is that of the statement."""
    await server.app.services.webhooks.put("nowhere", "https://shop.example/hooks", (), SECRET)
    campaign_id = await festival.campaign(5_000)
    await festival.backend.pause_campaign(campaign_id)
    store = server.app.stores.leases
    packet_id = 2**61 + 1
    await sql.execute(LEASE, packet_id, campaign_id, SPONSOR, 1_203)
    lease = """INSERT INTO leases
               (packet_id, campaign_id, first_number, numbers, server_id, closed_at_ms, rest, rest_lease, told)
               VALUES ($1, $2, 0, 4096, 1, 1, 2893, 1, 3)"""
    await sql.execute(lease, packet_id, campaign_id)
    await asyncio.gather(*(store.tell_wins([campaign_id], 5) for _ in range(4)))
    rows = await sql.fetch("SELECT number, previous FROM webhook_events WHERE type = $1 ORDER BY number", WON)
    assert [tuple(row) for row in rows] == [(503, 3), (1_003, 503), (1_203, 1_003)]


async def test_campaign_that_never_ran_is_told_as_ended_alone(
    server: Server, festival: Festival, receiver: Receiver
) -> None:
    await subscribe(server, receiver, "shop", "campaign.started", "campaign.ended")
    now_ms = festival.now_ms()
    campaign_id = await festival.campaign(starts_at_ms=now_ms + HOUR_MS, ends_at_ms=now_ms + 2 * HOUR_MS)
    for _ in range(3):
        await server.app.services.campaigns.loop.round()
    await festival.backend.end_campaign(campaign_id)
    (ended,) = await receiver.wait_for(1)
    assert ended.type == "campaign.ended"
    assert (ended.data["spent_fen"], ended.data["returned_fen"]) == (0, ended.data["budget_fen"])
    assert (ended.data["number"], ended.data["previous"]) == (1, 0)


async def test_campaign_that_is_paused_at_its_start_starts_when_it_is_resumed(
    server: Server, festival: Festival, receiver: Receiver
) -> None:
    now_ms = festival.now_ms()
    campaign_id = await festival.campaign(starts_at_ms=now_ms + HOUR_MS, ends_at_ms=now_ms + 9 * HOUR_MS)
    await festival.backend.pause_campaign(campaign_id)
    await subscribe(server, receiver, "shop", "campaign.started", "campaign.resumed")
    festival.ahead(2 * HOUR_MS)
    for _ in range(3):
        await server.app.services.campaigns.loop.round()
    await festival.backend.resume_campaign(campaign_id)
    resumed, started = sorted(await receiver.wait_for(2), key=lambda one: one.data["number"])
    assert (resumed.type, started.type) == ("campaign.resumed", "campaign.started")


async def test_without_an_endpoint_wins_are_marked_and_not_told_later(
    server: Server, connect: Connect, festival: Festival, receiver: Receiver, sql: Sql
) -> None:
    campaign_id = await festival.campaign()
    alice, bob = await crowd(connect, server, 11, 2)
    await festival.shake_until(alice, campaign_id)
    async with asyncio.timeout(PATIENCE_S):
        while not await sql.fetchval("SELECT sum(told) FROM leases, pg_sleep(0.02)"):
            pass
    assert await sql.fetchval("SELECT count(*) FROM webhook_events") == 0
    await subscribe(server, receiver, "shop", WON)
    await festival.shake_until(bob, campaign_id)
    await receiver.wait_for(1, WON)
    await festival.backend.end_campaign(campaign_id)
    await closed(festival, campaign_id)
    assert [one["user_id"] for one in told(receiver)] == ["12"]
