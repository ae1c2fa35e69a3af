"""A set is added to a record in the middle of everything: what was begun with one set goes on with two."""

from __future__ import annotations

import asyncio

import pytest

from client_sim.sdk.client import Client
from server.services.money.audit_sets import audit_sets_at
from tests.conftest import BACKEND, DAY_MS, SEED_KEYS, Connect, StartServer, TurnedClock
from tests.services.conftest import until
from tests.services.test_scheduled import make_due, now_ms
from tests.sets.conftest import EACH_FEN, NEW, OLD, FindDiscrepancies, Sql, StartPair, is_settled
from tests.sets.playing import all_settled
from tests.sets.test_campaigns import BANDS, BUDGET_FEN, SHARES
from tests.webhooks.conftest import LOOPBACK, Receiver, drain_webhooks_s, make_receiver, receiver, subscribe

__all__ = ["drain_webhooks_s", "make_receiver", "receiver"]

SPONSOR = OLD + 9


async def won(user: Client, campaign_id: int, clock: TurnedClock) -> int:
    """Shake, second by second, until a share is won; its amount."""
    while (shaken := await user.shake(campaign_id)).win is None or shaken.result != "won":
        clock.ahead_ms += 1_000
        await asyncio.sleep(0.01)
    return shaken.win.amount_fen


async def test_what_was_begun_with_one_set_goes_on_with_two(
    start_server: StartServer,
    start_pair: StartPair,
    connect: Connect,
    receiver: Receiver,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    server_clock: TurnedClock,
) -> None:
    alone = await start_server(webhooks__allow_private=LOOPBACK)
    backend = await connect(alone, BACKEND)
    for user_id in (OLD, OLD + 1, SPONSOR):
        await backend.top_up(user_id, EACH_FEN)
    group = await backend.put_group("crowd", "crowd")
    await backend.sync_members(group, 1, [OLD, OLD + 1])
    await backend.set_relay(group, 2)
    await subscribe(alone, receiver)
    await backend.put_sponsor(SPONSOR, "shop")
    time_ms = server_clock.now_ms()
    times = time_ms - 364 * DAY_MS, time_ms + DAY_MS
    campaign = await backend.create_campaign(SPONSOR, "spring", *times, SHARES, BUDGET_FEN, BANDS, key="spring")
    old = await connect(alone, OLD)
    won_fen = await won(old, campaign.campaign_id, server_clock)
    half = (await old.send_packet("lucky", group, 700, 2)).packet_id
    said = (await old.send_packet("password", group, 700, 2, words="sesame")).packet_id
    later = (await old.send_packet("lucky", group, 300, 1, send_at_ms=now_ms(alone) + DAY_MS)).packet_id
    passed = (await old.send_packet("fission", OLD + 1, 900, 3)).packet_id
    await old.open(half)
    assert (await (await connect(alone, OLD + 1)).open(passed)).answer == "won"
    await alone.stop()

    server = await start_pair(webhooks__allow_private=LOOPBACK)
    backend = await connect(server, BACKEND)
    await backend.top_up(NEW, EACH_FEN)
    await backend.sync_members(group, 2, [OLD, OLD + 1, NEW])
    users = {user_id: await connect(server, user_id) for user_id in (OLD, OLD + 1, NEW)}
    new = users[NEW]
    assert (await new.open(half)).answer == "won"
    assert (await new.open(said, words="sesame")).answer == "won"
    link = (await users[OLD + 1].pass_on(passed)).link
    assert (await new.open_link(link)).answer == "won"
    won_fen += await won(new, campaign.campaign_id, server_clock)
    await make_due(sql, later)

    async def is_posted() -> bool:
        return bool(await sql.fetchval("SELECT count(*) FROM messages WHERE packet_id = $1", later))

    await until(is_posted)
    assert (await new.open(later)).answer == "won"
    await new.transfer(OLD, 50)
    await until(lambda: is_settled(sql, other_sql))
    assert await sql.fetchval("SELECT count(*) FROM relays WHERE packet_id = $1", half) == 1
    assert len(await receiver.wait_for(1, "packet.finished")) >= 1
    await backend.end_campaign(campaign.campaign_id)

    async def is_closed() -> bool:
        return await sql.fetchval("SELECT closed_at_ms FROM campaigns") is not None

    await until(is_closed)
    await until(lambda: is_settled(sql, other_sql))
    assert await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", SPONSOR) == EACH_FEN - won_fen
    assert await discrepancies() == []


@pytest.mark.parametrize("number", [1, 2])
async def test_third_set_works_as_the_second(
    third_dsn: str,
    other_dsn: str,
    start_pair: StartPair,
    connect: Connect,
    postgres_dsn: str,
    sql: Sql,
    number: int,
) -> None:
    dsns = [postgres_dsn, other_dsn, third_dsn]
    server = await start_pair(stores__postgres_sets=(other_dsn, third_dsn), stores__postgres_new_users=(0, 1, 2))
    backend, sets = await connect(server, BACKEND), server.app.stores.sets
    by_set: dict[int, int] = {}
    for user_id in range(NEW, NEW + 60):
        if len(by_set) == len(dsns):
            break
        await backend.top_up(user_id, EACH_FEN)
        by_set.setdefault((await sets.of_users([user_id]))[user_id], user_id)
    group = await backend.put_group("crowd", "crowd")
    await backend.sync_members(group, 1, list(by_set.values()))
    users = {place: await connect(server, user_id) for place, user_id in by_set.items()}
    packet_id = (await users[number].send_packet("lucky", group, 900, 3)).packet_id
    assert {(await user.open(packet_id)).answer for user in users.values()} == {"won"}
    await users[number].transfer(by_set[(number + 1) % 3], 100)
    await users[number].transfer(by_set[(number + 2) % 3], 100)
    await until(lambda: all_settled(dsns))
    posts = "SELECT packet_id, reminder FROM messages WHERE stream_id = $1 ORDER BY message"
    assert [tuple(row) for row in await sql.fetch(posts, group)] == [(packet_id, None), (packet_id, 2)]

    async def all_have_it() -> bool:
        return sum([await user.balance() for user in users.values()]) == 3 * EACH_FEN

    await until(all_have_it)
    report = await audit_sets_at(dsns, 10, SEED_KEYS)
    assert [line for finding in report.findings for line in finding.discrepancies] == []
