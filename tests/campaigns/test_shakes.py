"""What a shake is answered with, and what it touches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from client_sim.sdk import ConnectionRefusedForGood, NoSuchCampaign, NotAllowed
from client_sim.sdk.client import Client
from protocol import codes, messages
from server.core.campaigns.shakes import NOTHING
from server.services.campaigns.live_campaign import NO_WIN, LiveCampaign, UserWins
from server.services.packets.commit.path import UNRECORDED_MAX
from storage.postgres.campaigns.leases import LeaseStore
from tests.campaigns.conftest import SPONSOR, Festival, MakeFestival, Settled, Sql, closed, crowd
from tests.conftest import DAY_MS, PATIENCE_S, Connect, Server, StartServer, token
from tests.wire import raw as wire

HOUR_MS = 3_600_000


def live(server: Server, campaign_id: int) -> LiveCampaign:
    """The campaign in the server's memory."""
    found = server.app.services.campaigns.board.get(campaign_id)
    assert found is not None
    return found


async def until(holds: Callable[[], bool]) -> None:
    """Wait until this is true."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110  no event is set
            await asyncio.sleep(0.01)


async def slow_campaign(festival: Festival, now_ms: int, shares: int = 20_000) -> int:
    """One of which the first share is due at once, and the next one for a long time not."""
    window = {"starts_at_ms": now_ms - 1, "ends_at_ms": now_ms + 365 * DAY_MS}
    return await festival.campaign(shares, **window)


async def test_one_chance_a_second_counts(server: Server, connect: Connect, festival: Festival) -> None:
    campaign_id = await festival.campaign(per_user_limit=3)
    alice = await connect(server, 11)
    await festival.shake_until(alice, campaign_id)
    festival.freeze()
    first = await alice.shake(campaign_id)
    assert [(await alice.shake(campaign_id)).result for _ in range(20)] == ["nothing"] * 20
    assert first.result in ("won", "rest")
    assert len(live(server, campaign_id).pace.seen) == 1


async def test_losing_shakes_start_no_task_and_wait_for_nothing(
    server: Server, connect: Connect, festival: Festival
) -> None:
    """What starts no task and is not awaited can ask no store."""
    campaign_id = await slow_campaign(festival, festival.now_ms())
    alice = await connect(server, 11)
    await festival.shake_until(alice, campaign_id)  # the next share is due in half an hour
    shakes, before = server.app.services.campaigns.shakes, asyncio.all_tasks()
    shook = [shakes.shake(campaign_id, user_id, 1, 1, festival.now_ms()) for user_id in range(100, 5_100)]
    assert set(shook) == {NOTHING}
    assert (asyncio.all_tasks(), shakes.waiting, server.app.dispatch.under_way) == (before, 0, 0)
    assert server.app.dispatch.rows[messages.Shake].later is None
    assert live(server, campaign_id).shakes >= 5_001


async def test_shakes_of_one_read_get_their_own_replies_in_order(
    server: Server, connect: Connect, festival: Festival
) -> None:
    """The answer `nothing` is the same message each time."""
    first, second = [await slow_campaign(festival, festival.now_ms(), 2_000) for _ in range(2)]
    alice = await connect(server, 11)
    await festival.shake_until(alice, first)  # the share that is due at once
    await festival.shake_until(alice, second)
    client = await wire.Raw.connect(server)
    await client.login(12)
    asked = [(wire.SHAKE, seq, first if seq % 2 else second) for seq in range(70_000, 70_008)]
    mixed = [*asked[:4], (99, 1), *asked[4:], (wire.SHAKE, 2, 2**60)]
    await client.send_bytes(b"".join(wire.framed(*one) for one in mixed))
    replies = [await client.read() for _ in mixed[:-1]]
    told = [(wire.reply_to(wire.SHAKE), seq, campaign_id, "nothing", 0, None) for _, seq, campaign_id in asked]
    assert [tuple(one) for one in replies if one[1] != 1] == told
    unknown = await client.reply(2)  # it is looked for in the record
    assert (unknown[0], unknown[3]) == (wire.REFUSED, "no_such_campaign")
    client.close()


async def test_pause_holds_within_the_second_in_which_a_user_has_shaken(
    server: Server, connect: Connect, festival: Festival
) -> None:
    festival.freeze()
    campaign_id = await slow_campaign(festival, festival.now_ms())
    alice, bob = await crowd(connect, server, 11, 2)
    await festival.shake_until(alice, campaign_id)
    assert (await bob.shake(campaign_id)).result == "nothing"
    await festival.backend.pause_campaign(campaign_id)
    assert (await bob.shake(campaign_id)).result == "rest"
    await festival.backend.resume_campaign(campaign_id)
    assert (await bob.shake(campaign_id)).result == "nothing"


@pytest.mark.parametrize("change", ["pause", "removal"])
async def test_share_is_not_won_by_a_user_who_may_not_win_when_the_record_has_answered(
    change: str, server: Server, connect: Connect, festival: Festival, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a user has won before is looked up between the chance and the claim: as long as a store is slow."""
    owner, alice = await connect(server, 12), await connect(server, 11)
    group_id = await owner.create_group("family")
    await alice.join_group(group_id, await owner.invite(group_id))
    campaign_id = await festival.campaign(group_id=group_id)
    await festival.shake_until(owner, campaign_id)
    live(server, campaign_id).wins.doubt(11)
    asked, go_on = asyncio.Event(), asyncio.Event()
    newest_wins = LeaseStore.newest_wins

    async def slow(self: LeaseStore, pairs: list[tuple[int, int]]) -> Any:
        asked.set()
        await go_on.wait()
        return await newest_wins(self, pairs)

    monkeypatch.setattr(LeaseStore, "newest_wins", slow)
    shaking = asyncio.ensure_future(festival.shake_until(alice, campaign_id, ("won", "rest", "nothing")))
    while not asked.is_set():
        if shaking.done():  # no luck
            festival.next_second()
            shaking = asyncio.ensure_future(festival.shake_until(alice, campaign_id, ("won", "rest", "nothing")))
        await asyncio.sleep(0.01)
    if change == "pause":
        await festival.backend.pause_campaign(campaign_id)
    else:
        await owner.remove_member(group_id, 11)
    go_on.set()
    assert (await shaking).result == ("rest" if change == "pause" else "nothing")
    assert await sql.fetchval("SELECT count(*) FROM wins WHERE campaign_id = $1", campaign_id) == 1


async def test_end_holds_to_the_millisecond(server: Server, connect: Connect, festival: Festival) -> None:
    ends_at_ms = (festival.now_ms() // 1_000 + 60) * 1_000 + 500
    campaign_id = await festival.campaign(ends_at_ms=ends_at_ms)
    alice = await connect(server, 11)
    await festival.shake_until(alice, campaign_id)
    shakes = server.app.services.campaigns.shakes
    shook = [shakes.shake(campaign_id, 11, 1, 1, at_ms) for at_ms in (ends_at_ms - 1, ends_at_ms)]
    assert [one and one.result for one in shook] == ["limit", "ended"]


async def test_user_wins_as_many_shares_as_allowed(
    server: Server, connect: Connect, festival: Festival, settled: Settled, sql: Sql
) -> None:
    campaign_id = await festival.campaign(200, per_user_limit=3)
    alice = await connect(server, 11)
    won = []
    for _ in range(3):
        shaken = await festival.shake_until(alice, campaign_id)
        assert shaken.win is not None
        won.append(shaken.win)
        festival.next_second()
    limited = await festival.shake_until(alice, campaign_id, ("won", "limit"))
    assert (limited.result, limited.win) == ("limit", won[-1])
    assert len({(win.packet_id, win.index) for win in won}) == 3
    await settled()
    assert await alice.balance() == sum(win.amount_fen for win in won)
    rows = await sql.fetch("SELECT n FROM wins WHERE campaign_id = $1 AND user_id = 11 ORDER BY n", campaign_id)
    assert [row["n"] for row in rows] == [1, 2, 3]


async def test_limit_holds_for_a_server_that_has_forgotten_what_a_user_has_won(
    server: Server, connect: Connect, festival: Festival
) -> None:
    campaign_id = await festival.campaign()
    alice = await connect(server, 11)
    shaken = await festival.shake_until(alice, campaign_id)
    live(server, campaign_id).wins.doubt(11)
    again = await festival.shake_until(alice, campaign_id, ("won", "limit"))
    assert (again.result, again.win) == ("limit", shaken.win)


async def test_wins_are_looked_up_unless_this_server_alone_gives_shares(
    start_server: StartServer, connect: Connect, make_festival: MakeFestival, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start_server()
    festival = await make_festival(server)
    leases = server.app.stores.leases
    looked_up: list[tuple[int, int]] = []
    newest_wins = leases.newest_wins

    async def noted(asked: list[tuple[int, int]]) -> Any:
        looked_up.extend(asked)
        return await newest_wins(asked)

    monkeypatch.setattr(leases, "newest_wins", noted)
    changes = server.app.services.changes
    await until(lambda: changes.is_alone)
    campaign_id = await festival.campaign()
    alice, bob = await crowd(connect, server, 11, 2)
    await until(lambda: bool(live(server, campaign_id).leases))
    await festival.shake_until(alice, campaign_id)
    assert (looked_up, (await alice.shake(campaign_id)).result) == ([], "limit")
    await start_server(server__node=1)
    await until(lambda: not changes.is_alone)
    await festival.shake_until(bob, campaign_id)
    assert looked_up == [(campaign_id, 12)]


async def test_record_counts_no_first_win(
    server: Server, connect: Connect, festival: Festival, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would look each of them up, and that is most of what a win costs PostgreSQL above an open."""
    campaign_id = await festival.campaign(per_user_limit=2)
    packets = server.app.stores.packets
    record, taken_for_first = packets.record, list[bool]()

    async def noted(advances: Any) -> Any:
        taken_for_first.extend(one.are_first for one in advances)
        return await record(advances)

    monkeypatch.setattr(packets, "record", noted)
    alice = await connect(server, 11)
    for _ in range(2):
        assert (await festival.shake_until(alice, campaign_id)).win is not None
    assert taken_for_first == [True, False]


async def test_limit_is_not_told_for_a_share_that_is_in_flight(
    server: Server, connect: Connect, festival: Festival
) -> None:
    """It may come to nothing, and there is no share yet that the answer could name."""
    campaign_id = await festival.campaign(per_user_limit=1)
    alice = await connect(server, 11)
    live = server.app.services.campaigns.shakes._board.get(campaign_id)
    assert live is not None
    live.wins.learn(11, NO_WIN)
    live.wins.begin(11)
    for _ in range(10):
        assert (await alice.shake(campaign_id)).result == "nothing"
        festival.next_second()
    live.wins.end(11, None)
    assert (await festival.shake_until(alice, campaign_id)).win is not None


def test_user_in_doubt_ends_the_knowledge_of_all_wins() -> None:
    wins = UserWins(limit=1)
    wins.complete_at = 3
    wins.learn(11, NO_WIN)
    assert wins.complete_at == 3
    wins.doubt(11)  # a store has refused a claim of this user: another server may have been first
    assert (wins.known(11), wins.complete_at) == (None, None)


async def test_shake_before_the_start_rests_until_it(server: Server, connect: Connect, festival: Festival) -> None:
    now_ms = festival.now_ms()
    campaign_id = await festival.campaign(starts_at_ms=now_ms + HOUR_MS, ends_at_ms=now_ms + 2 * HOUR_MS)
    alice = await connect(server, 11)
    shaken = await alice.shake(campaign_id)
    assert shaken.result == "rest"
    assert HOUR_MS - 60_000 < shaken.retry_after_ms <= HOUR_MS


async def test_paused_campaign_gives_nothing_until_it_is_resumed(
    server: Server, connect: Connect, festival: Festival
) -> None:
    campaign_id = await festival.campaign()
    alice = await connect(server, 11)
    assert (await festival.backend.pause_campaign(campaign_id)).state == "paused"
    for _ in range(3):
        assert (await alice.shake(campaign_id)).result == "rest"
        festival.next_second()
    assert (await festival.backend.resume_campaign(campaign_id)).state == "running"
    await festival.shake_until(alice, campaign_id)


async def test_campaign_ends_by_itself_and_pays_back(
    server: Server, connect: Connect, festival: Festival, sql: Sql
) -> None:
    campaign_id = await festival.campaign(lasts_ms=HOUR_MS)
    alice = await connect(server, 11)
    won = await festival.shake_until(alice, campaign_id)
    assert won.win is not None
    festival.ahead(2 * HOUR_MS)
    assert (await alice.shake(campaign_id)).result == "ended"
    report = await closed(festival, campaign_id)
    assert report.campaign.state == "ended"
    assert report.returned_fen == report.budget_fen - won.win.amount_fen
    await festival.assert_books_balance()


@pytest.mark.parametrize("rule", ["rest", "nothing"])
async def test_overload_is_answered_by_rule_and_consumes_no_number(
    start_server: StartServer, connect: Connect, make_festival: Any, rule: str
) -> None:
    server = await start_server(campaigns__on_overload=rule, campaigns__rest_ms=700)
    festival: Festival = await make_festival(server)
    campaign_id = await festival.campaign()
    alice = await connect(server, 11)
    commit = server.app.services.commit
    commit.unrecorded += UNRECORDED_MAX
    assert commit.almost_overloaded
    festival.next_second()
    shaken = await alice.shake(campaign_id)
    assert (shaken.result, shaken.retry_after_ms) == (rule, 700 if rule == "rest" else 0)
    commit.unrecorded -= UNRECORDED_MAX
    counts = live(server, campaign_id).take_counts()
    assert (counts.rests, counts.nothings) == ((1, 0) if rule == "rest" else (0, 1))
    assert live(server, campaign_id).given == 0


async def test_campaign_of_a_group_is_for_its_members(server: Server, connect: Connect, festival: Festival) -> None:
    alice, bob = await connect(server, 11), await connect(server, 12)
    group_id = await alice.create_group("一家人")
    campaign_id = await festival.campaign(group_id=group_id)
    with pytest.raises(NoSuchCampaign):
        await bob.shake(campaign_id)
    with pytest.raises(NoSuchCampaign):
        await bob.campaign(campaign_id)
    assert (await bob.campaigns()).campaigns == []
    assert [one.campaign_id for one in (await alice.campaigns()).campaigns] == [campaign_id]
    await festival.shake_until(alice, campaign_id)
    await bob.join_group(group_id, await alice.invite(group_id))
    await festival.shake_until(bob, campaign_id)
    await festival.assert_books_balance()


async def test_campaign_that_a_server_has_just_heard_of_is_not_over(
    server: Server, connect: Connect, festival: Festival
) -> None:
    """It comes into memory with the shake, before the change feed has told of it."""
    campaign_id = await festival.campaign(10)
    client = await connect(server, 11)
    board = server.app.services.campaigns.board
    board._by_id.clear()
    assert (await client.shake(campaign_id)).result == "rest"
    assert board.get(campaign_id) is not None


async def test_unknown_campaign_is_refused(server: Server, connect: Connect, festival: Festival) -> None:
    alice = await connect(server, 11)
    with pytest.raises(NoSuchCampaign):
        await alice.shake(2**60)
    with pytest.raises(NoSuchCampaign):
        await alice.campaign(2**60)


async def test_sponsor_cannot_log_in(server: Server, festival: Festival) -> None:
    client = Client(server.url, token(SPONSOR))
    with pytest.raises(ConnectionRefusedForGood) as refused:
        await client.connect(1.0)
    assert refused.value.code == codes.Close.LOGIN_REFUSED
    await client.close()


async def test_user_who_becomes_a_sponsor_is_disconnected(
    server: Server, connect: Connect, festival: Festival
) -> None:
    alice = await connect(server, 11)
    await festival.backend.put_sponsor(11, "Alice")
    with pytest.raises(ConnectionRefusedForGood):
        async for _ in alice.pushes():
            pass


async def test_win_has_a_page_and_a_record_of_its_own(
    server: Server, connect: Connect, festival: Festival, settled: Settled
) -> None:
    campaign_id = await festival.campaign(greeting="恭喜发财")
    alice, bob = await crowd(connect, server, 11, 2)
    win = (await festival.shake_until(alice, campaign_id)).win
    assert win is not None
    await settled()
    page = (await alice.result_page(win.packet_id)).page
    assert (page.sender_id, page.sender_name, page.greeting) == (SPONSOR, "某超市", "恭喜发财")
    assert (page.amount_fen, page.packet_kind, page.claims) == (win.amount_fen, "shake", [])
    assert (page.summary, page.ending) == ("", "")
    (line,) = (await alice.records("received")).lines
    assert (line.packet_id, line.amount_fen) == (win.packet_id, win.amount_fen)
    with pytest.raises(NotAllowed):
        await bob.result_page(win.packet_id)
    assert (await bob.grab(win.packet_id)).answer == "not_allowed"
    await festival.backend.end_campaign(campaign_id)
    await closed(festival, campaign_id)
    assert (await alice.result_page(win.packet_id)).page.amount_fen == win.amount_fen


async def test_only_the_winner_is_told_of_a_win(
    server: Server, connect: Connect, festival: Festival, settled: Settled, sql: Sql
) -> None:
    campaign_id = await festival.campaign()
    alice = await connect(server, 11)
    await festival.shake_until(alice, campaign_id)
    await settled()
    assert await sql.fetchval("SELECT count(*) FROM messages") == 0
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 0
    assert await sql.fetchval("SELECT count(*) FROM years WHERE user_id = $1", SPONSOR) == 0
