"""The statements of campaigns: what two servers do at once happens once."""

from __future__ import annotations

from typing import Any

from server.core.ledger import TransferKind
from server.services.campaigns.leases import LeaseKeeper
from storage.postgres.campaigns.leases import LeaseRow, LeaseStore
from storage.postgres.money.wallets import TransferRow
from storage.postgres.packets.packets import PacketRow
from tests.campaigns.conftest import SPONSOR, Festival, Sql, budget_of
from tests.conftest import DAY_MS, Server

HERE, THERE = 1, 2


class Leasing:
    """Leases of one campaign, taken by hand: every number is worth 2.00 yuan."""

    def __init__(self, server: Server, campaign_id: int, now_ms: int) -> None:
        self.store: LeaseStore = server.app.stores.leases
        self.campaign_id = campaign_id
        self._ids = server.app.services._ids
        self._now_ms = now_ms

    async def take(self, first: int, numbers: int, rest_of: int | None = None) -> int:
        """The packet of a lease; 0: it was not taken."""
        packet_id = self._ids.next(self._now_ms)
        total = 200 * numbers
        packet = PacketRow(
            packet_id, SPONSOR, f"lease {packet_id}", "shake", self.campaign_id, total, numbers, 200, 200, "", None,
            self._now_ms, self._now_ms + 1_000,
        )  # fmt: skip
        money = TransferRow(self.campaign_id, packet_id, TransferKind.LEASE, "", total, self._now_ms)
        row = LeaseRow(packet_id, self.campaign_id, first, numbers)
        return packet_id if await self.store.take(row, HERE, packet, money, rest_of) else 0

    async def close(self, *packet_ids: int) -> list[Any]:
        """Close leases."""
        return await self.store.close(packet_ids, self._now_ms, TransferKind.LEASE_RETURNED)


async def leasing(server: Server, festival: Festival, monkeypatch: Any) -> Leasing:
    """A campaign of which the server itself leases nothing."""
    monkeypatch.setattr(LeaseKeeper, "take_ahead", _nothing)
    monkeypatch.setattr(LeaseKeeper, "reclaim", _nothing)
    return Leasing(server, await festival.campaign(40), festival.now_ms())


async def _nothing(_: LeaseKeeper) -> None:
    """Instead of leasing."""


async def test_numbers_are_leased_once(server: Server, festival: Festival, monkeypatch: Any) -> None:
    one = await leasing(server, festival, monkeypatch)
    assert await one.take(0, 10)
    assert not await one.take(0, 10)
    assert not await one.take(20, 10)
    assert await one.take(10, 10)


async def test_rest_is_leased_once(server: Server, festival: Festival, monkeypatch: Any) -> None:
    one = await leasing(server, festival, monkeypatch)
    packet_id = await one.take(0, 10)
    assert not await one.take(0, 10, packet_id)  # it is open
    [closed] = await one.close(packet_id)
    assert (closed.rest, closed.returned_fen) == (10, 2_000)
    plan = await one.store.plan(one.campaign_id)
    assert (plan.rest_of, plan.rest_first, plan.rest_numbers) == (packet_id, 0, 10)
    assert not await one.take(0, 9, packet_id)
    assert await one.take(0, 10, packet_id)
    assert not await one.take(0, 10, packet_id)
    assert (await one.store.plan(one.campaign_id)).rest_of is None


async def test_closing_twice_pays_back_once(server: Server, festival: Festival, sql: Sql, monkeypatch: Any) -> None:
    one = await leasing(server, festival, monkeypatch)
    packet_id = await one.take(0, 10)
    assert len(await one.close(packet_id)) == 1
    assert await one.close(packet_id) == []
    assert await sql.fetchval("SELECT sum(amount_fen) FROM transfers WHERE kind = 20") == 2_000


async def test_nothing_is_leased_of_a_paused_campaign(server: Server, festival: Festival, monkeypatch: Any) -> None:
    one = await leasing(server, festival, monkeypatch)
    await festival.backend.pause_campaign(one.campaign_id)
    assert not await one.take(0, 10)
    await festival.backend.resume_campaign(one.campaign_id)
    assert await one.take(0, 10)


async def test_campaign_with_an_open_lease_pays_nothing_back_yet(
    server: Server, festival: Festival, sql: Sql, monkeypatch: Any
) -> None:
    one = await leasing(server, festival, monkeypatch)
    store, kind = server.app.stores.campaigns, TransferKind.CAMPAIGN_RETURNED
    assert await store.close(one.campaign_id, festival.now_ms(), kind) is None  # it has not ended
    packet_id = await one.take(0, 10)
    await festival.backend.end_campaign(one.campaign_id)
    assert await store.close(one.campaign_id, festival.now_ms(), kind) is None
    assert await sql.fetchval("SELECT count(*) FROM transfers WHERE kind = 21") == 0
    await one.close(packet_id)
    await store.close(one.campaign_id, festival.now_ms(), kind)
    assert await store.close(one.campaign_id, festival.now_ms(), kind) is None
    assert await sql.fetchval("SELECT sum(amount_fen) FROM transfers WHERE kind = 21") == budget_of(40)


async def test_lease_that_has_expired_is_not_refunded_to_the_sponsor(
    server: Server, festival: Festival, monkeypatch: Any
) -> None:
    one = await leasing(server, festival, monkeypatch)
    assert await one.take(0, 10)
    assert await server.app.stores.packets.due(festival.now_ms() + DAY_MS, 10) == []


async def test_leases_of_silent_servers_are_abandoned(
    server: Server, festival: Festival, sql: Sql, monkeypatch: Any
) -> None:
    one = await leasing(server, festival, monkeypatch)
    packet_id = await one.take(0, 10)
    assert await one.store.abandoned(THERE, [], 5.0, 10) == [packet_id]
    await sql.execute("INSERT INTO servers (server_id, alive_at) VALUES ($1, clock_timestamp())", HERE)
    assert await one.store.abandoned(THERE, [], 5.0, 10) == []
    await sql.execute("UPDATE servers SET alive_at = clock_timestamp() - interval '6 s' WHERE server_id = $1", HERE)
    assert await one.store.abandoned(THERE, [], 5.0, 10) == [packet_id]
    assert await one.store.abandoned(HERE, [packet_id], 5.0, 10) == []
    assert await one.store.abandoned(HERE, [], 5.0, 10) == [packet_id]


async def test_campaigns_of_a_sponsor_use_one_seed_after_the_other(
    server: Server, festival: Festival, sql: Sql
) -> None:
    first, second = await festival.campaign(40), await festival.campaign(40)
    rows = await sql.fetch("SELECT campaign_id, seed_index FROM campaigns ORDER BY seed_index")
    assert [row["campaign_id"] for row in rows] == [first, second]
    assert rows[1]["seed_index"] == rows[0]["seed_index"] + 1
    await festival.assert_books_balance()
