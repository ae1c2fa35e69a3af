"""Leases: numbers are given once, also by several servers, also when one is killed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from client_sim.sdk.client import Client
from server.services.campaigns.leases import DEAD_S
from server.services.campaigns.pools import PART
from tests.campaigns.conftest import Festival, MakeFestival, Settled, Sql, budget_of, closed, crowd
from tests.conftest import PATIENCE_S, Connect, Server, StartServer

WON_NUMBERS = """
SELECT first_number + w.index AS number, c.amount_fen, c.user_id
FROM wins w JOIN leases USING (packet_id) JOIN claims c USING (packet_id, index) WHERE w.campaign_id = $1
"""
LEASED = """
SELECT next_number,
       (SELECT coalesce(sum(version), 0) FROM packets WHERE target_id = campaign_id) AS won,
       (SELECT coalesce(sum(rest) FILTER (WHERE rest_lease IS NULL), 0) FROM leases l
        WHERE l.campaign_id = c.campaign_id) AS returned,
       (SELECT coalesce(sum(shares - version), 0) FROM packets
        WHERE target_id = campaign_id AND closed_at_ms IS NULL) AS open
FROM campaigns c WHERE campaign_id = $1
"""


async def assert_given_once(sql: Sql, campaign_id: int) -> int:
    """Leased = won + returned + open, and no number was won twice; how many were won."""
    row = await sql.fetchrow(LEASED, campaign_id)
    assert row is not None
    assert row["next_number"] == row["won"] + row["returned"] + row["open"]
    numbers = [won["number"] for won in await sql.fetch(WON_NUMBERS, campaign_id)]
    assert len(numbers) == len(set(numbers)) == row["won"]
    return len(numbers)


async def win_or_end(festival: Festival, client: Client, campaign_id: int) -> int:
    """What a user wins who shakes until then or the end; 0: nothing."""
    shaken = await festival.shake_until(client, campaign_id, ("won", "ended"))
    return 0 if shaken.win is None else shaken.win.amount_fen


async def test_all_shares_are_won_once_and_add_up_to_the_budget(
    server: Server, connect: Connect, festival: Festival, settled: Settled, sql: Sql
) -> None:
    campaign_id = await festival.campaign(40)
    users = await crowd(connect, server, 100, 60)
    won = await asyncio.gather(*(win_or_end(festival, user, campaign_id) for user in users))
    assert sum(won) == budget_of(40)
    assert sum(fen > 0 for fen in won) == 40
    assert await assert_given_once(sql, campaign_id) == 40
    await festival.backend.end_campaign(campaign_id)
    report = await closed(festival, campaign_id)
    assert (report.won_fen, report.returned_fen, report.left_shares) == (budget_of(40), 0, 0)
    await settled()
    await festival.assert_books_balance()


async def test_two_servers_give_each_number_once(
    start_server: StartServer, connect: Connect, make_festival: MakeFestival, settled: Settled, sql: Sql
) -> None:
    first, second = await start_server(), await start_server(server__node=1)
    festival = await make_festival(first)
    campaign_id = await festival.campaign(48)
    users = [*await crowd(connect, first, 100, 30), *await crowd(connect, second, 200, 30)]
    won = await asyncio.gather(*(win_or_end(festival, user, campaign_id) for user in users))
    assert sum(won) == budget_of(48)
    assert await assert_given_once(sql, campaign_id) == 48
    assert await sql.fetchval("SELECT count(DISTINCT server_id) FROM leases") == 2
    await settled()
    await festival.assert_books_balance()


async def test_server_without_users_who_may_win_returns_its_numbers(
    start_server: StartServer, connect: Connect, make_festival: MakeFestival, sql: Sql
) -> None:
    """One server has leased all of a small campaign, and the users are at the other one."""
    first = await start_server()
    festival = await make_festival(first)
    campaign_id = await festival.campaign(12, per_user_limit=1)
    async with asyncio.timeout(PATIENCE_S):
        while await sql.fetchval("SELECT next_number FROM campaigns, pg_sleep(0.02)") < 12:
            pass
    second = await start_server(server__node=1)
    users = await crowd(connect, second, 200, 13)
    won = await asyncio.gather(*(win_or_end(festival, user, campaign_id) for user in users))
    assert sum(won) == budget_of(12)
    assert await assert_given_once(sql, campaign_id) == 12


async def test_user_at_two_servers_at_once_wins_as_often_as_allowed(
    start_server: StartServer,
    connect: Connect,
    make_festival: MakeFestival,
    settled: Settled,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    servers = [await start_server(), await start_server(server__node=1)]
    festival = await make_festival(servers[0])
    campaign_id = await festival.campaign(100)
    clients = [await connect(server, 11) for server in servers]
    both = asyncio.Barrier(2)
    for server in servers:  # both find that the user has won nothing, before either has recorded a win
        monkeypatch.setattr(server.app.stores.leases, "newest_wins", _after(both, server.app.stores.leases))
    shaken = await asyncio.gather(
        *(festival.shake_until(client, campaign_id, ("won", "limit")) for client in clients)
    )
    assert sorted(one.result for one in shaken) == ["limit", "won"]
    monkeypatch.undo()
    assert await sql.fetchval("SELECT count(*) FROM wins") == 1
    assert await assert_given_once(sql, campaign_id) == 1
    await settled()
    await festival.assert_books_balance()


def _after(barrier: asyncio.Barrier, store: Any) -> Any:
    real = store.newest_wins
    waited = False

    async def newest_wins(asked: Any) -> Any:
        nonlocal waited
        found = await real(asked)
        if not waited:
            waited = True
            await barrier.wait()
        return found

    return newest_wins


async def test_lease_that_is_being_taken_is_not_reclaimed(
    start_server: StartServer, connect: Connect, make_festival: MakeFestival, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is recorded, and the server that takes it does not know that yet."""
    server = await start_server()
    keeper = server.app.services.campaigns.keeper
    take, recorded, go_on = server.app.stores.leases.take, asyncio.Event(), asyncio.Event()

    async def slow_reply(*words: Any) -> bool:
        taken = await take(*words)
        recorded.set()
        await go_on.wait()
        return taken

    monkeypatch.setattr(server.app.stores.leases, "take", slow_reply)
    festival = await make_festival(server)
    campaign_id = await festival.campaign(40)
    user = await connect(server, 100)
    shaking = asyncio.create_task(festival.shake_until(user, campaign_id))
    await asyncio.wait_for(recorded.wait(), PATIENCE_S)
    reclaiming = asyncio.create_task(keeper.reclaim())
    await asyncio.sleep(0)  # it asks, or waits for the one that is taken
    await asyncio.wait([reclaiming], timeout=0.2)
    go_on.set()
    await asyncio.wait_for(reclaiming, PATIENCE_S)
    assert keeper.reclaimed == 0
    assert (await shaking).win is not None


@pytest.mark.parametrize("durability", ["postgres", "redis"])
async def test_leases_of_a_killed_server_are_reclaimed(
    durability: str,
    start_server: StartServer,
    connect: Connect,
    make_festival: MakeFestival,
    settled: Settled,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = await start_server(stores__durability=durability)
    first.loops_may_fail = True
    festival = await make_festival(first)
    campaign_id = await festival.campaign(40)
    early = await crowd(connect, first, 100, 3)
    for user in early:
        await festival.shake_until(user, campaign_id)
    late = await connect(first, 104, timeout_s=2.0, backoff_most_s=0.1)
    mirrored = asyncio.Event()
    monkeypatch.setattr(first.app.stores.packets, "record", _never(mirrored))
    shaking = asyncio.create_task(festival.shake_until(late, campaign_id))
    await asyncio.wait_for(mirrored.wait(), PATIENCE_S)  # the mirror has the claim, the record has not
    told = (await shaking).win if durability == "redis" else None
    await first.kill()
    shaking.cancel()
    await asyncio.gather(shaking, return_exceptions=True)
    await sql.execute("DELETE FROM servers")  # it has been silent for long
    second = await start_server(stores__durability=durability, server__node=1)
    await _none_open_of_others(second, sql)
    assert await assert_given_once(sql, campaign_id) == (4 if durability == "redis" else 3)
    recorded = {row["user_id"]: row["amount_fen"] for row in await sql.fetch(WON_NUMBERS, campaign_id)}
    assert recorded.get(104) == (told.amount_fen if told is not None else None)
    again = Festival(await connect(second, 0), festival.clock, festival.database)
    users = await crowd(connect, second, 200, 45)
    await asyncio.gather(*(win_or_end(again, user, campaign_id) for user in users))
    assert await assert_given_once(sql, campaign_id) == 40
    assert await sql.fetchval("SELECT sum(amount_fen) FROM claims") == budget_of(40)
    await again.backend.end_campaign(campaign_id)
    assert (await closed(again, campaign_id)).returned_fen == 0
    await settled()
    await again.assert_books_balance()


def _never(began: asyncio.Event) -> Any:
    async def record(_: Any) -> Any:
        began.set()
        await asyncio.Event().wait()

    return record


async def _none_open_of_others(server: Server, sql: Sql) -> None:
    """Until no lease is open that another server gives away."""
    own = server.app.services.campaigns.keeper.server_id
    async with asyncio.timeout(PATIENCE_S):
        while await sql.fetchval(
            "SELECT count(*) FROM leases, pg_sleep(0.02) WHERE closed_at_ms IS NULL AND server_id <> $1", own
        ):
            pass


async def test_lease_of_another_server_is_dealt_although_its_campaign_ends_meanwhile(
    server: Server, connect: Connect, festival: Festival
) -> None:
    """The books may be closed by another server between two looks at the memory of this one."""
    campaign_id = await festival.campaign(40)
    await festival.shake_until(await connect(server, 11), campaign_id)
    services = server.app.services.campaigns
    pools, live = services.keeper._pools, services.board.get(campaign_id)
    held = {packet_id: lease.dealt for packet_id, lease in services.keeper.book.held.items()}
    rows = await server.app.stores.packets.rows(list(held))
    looks = [live]
    pools._dealt_to, pools._get = lambda packet_id: (), lambda campaign_id: looks.pop() if looks else None
    assert {packet_id: terms.dealt for packet_id, terms in (await pools.terms_of(rows)).items()} == held


async def test_campaign_that_comes_while_progress_is_read_is_looked_at_later(
    server: Server, festival: Festival, monkeypatch: pytest.MonkeyPatch
) -> None:
    await festival.campaign(40)
    board = server.app.services.campaigns.board
    progress, made = board._store.progress, list[int]()

    async def progress_late(campaign_ids: Any) -> Any:
        made.append(await festival.campaign(40))
        return await progress(campaign_ids)

    monkeypatch.setattr(board._store, "progress", progress_late)
    await board.look()
    monkeypatch.undo()
    await board.look()
    assert {one.campaign_id for one in board.all()} >= set(made)


async def test_draining_server_returns_its_leases(
    start_server: StartServer, connect: Connect, make_festival: MakeFestival, sql: Sql
) -> None:
    server = await start_server()
    festival = await make_festival(server)
    campaign_id = await festival.campaign(40)
    alice = await connect(server, 11)
    await festival.shake_until(alice, campaign_id)
    assert await sql.fetchval("SELECT count(*) FROM leases WHERE closed_at_ms IS NULL") > 0
    await server.stop()
    assert await sql.fetchval("SELECT count(*) FROM leases WHERE closed_at_ms IS NULL") == 0
    assert await assert_given_once(sql, campaign_id) == 1


async def test_lease_whose_reply_was_lost_is_closed_and_leased_again(
    server: Server, connect: Connect, festival: Festival, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server does not know of it, and it is not another one's."""
    store = server.app.stores.leases
    real, lost = store.take, []

    async def take(*arguments: Any) -> bool:
        taken = await real(*arguments)
        if not lost:
            lost.append(arguments[0].packet_id)
            return False
        return taken

    monkeypatch.setattr(store, "take", take)
    campaign_id = await festival.campaign(40)
    async with asyncio.timeout(PATIENCE_S):
        while not await sql.fetchval(
            "SELECT rest_lease FROM leases, pg_sleep(0.02) WHERE packet_id = $1", lost[0] if lost else 0
        ):
            pass
    users = await crowd(connect, server, 100, 41)
    await asyncio.gather(*(win_or_end(festival, user, campaign_id) for user in users))
    assert await assert_given_once(sql, campaign_id) == 40
    await festival.assert_books_balance()


async def test_lease_that_another_server_closed_is_given_up_and_its_wins_are_retried(
    server: Server, connect: Connect, festival: Festival, sql: Sql
) -> None:
    """A server that was only slow loses the lease, and no user is told of a share that is not theirs."""
    campaign_id = await festival.campaign(40)
    services = server.app.services
    alice = await connect(server, 11)
    await festival.shake_until(alice, campaign_id)
    held = list(services.campaigns.keeper.book.held)
    await server.app.stores.mirror.close_logs(held)
    await server.app.stores.leases.close(held, festival.now_ms(), 20)
    bob = await connect(server, 12)
    assert (await festival.shake_until(bob, campaign_id)).win is not None
    assert await assert_given_once(sql, campaign_id) == 2
    async with asyncio.timeout(PATIENCE_S):
        while set(held) & services.campaigns.keeper.book.held.keys():
            await services.campaigns.keeper.tidy()
    await festival.assert_books_balance()


def test_lease_is_dealt_in_parts_that_hold_the_loop_up_for_a_millisecond() -> None:
    """The first numbers of a large pool take 30 µs each (core/campaigns/permutation)."""
    assert PART * 30 <= 1_000
    assert DEAD_S > 2.0  # of the change feed: a server that is not current answers no shake
