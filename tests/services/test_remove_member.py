"""Removal from a group: access ends immediately, claims stay, and the user cannot join again."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from bench.chaos.proxy import Proxy
from client_sim.sdk.client import Client
from client_sim.sdk.errors import KickedOut, NotAllowed, NotAMember, NotOwner, Refusal
from protocol.messages import PacketPosted, RemovedFromGroup, TextPosted
from server.services.runtime import in_doubt
from storage.errors import StoreUnavailable
from tests.conftest import PATIENCE_S, Connect, Server, StartServer
from tests.services.conftest import MakeParty, until
from tests.services.test_reminders import NO_SETTLEMENT, received

BooksBalance = Callable[[], Awaitable[None]]


async def test_removed_member_with_a_ticket_cannot_open(
    server: Server, party: MakeParty, books_balance: BooksBalance
) -> None:
    room = await party(server, 2)
    packet_id = await room.lucky(300, 3)
    removed, friend = room.guests
    page = await removed.open_page(packet_id)
    assert page.answer == "ticket"
    await room.sender.remove_member(room.group, removed.user_id)
    assert (await removed.open_with(packet_id, page.ticket)).answer == "not_allowed"
    assert (await removed.grab(packet_id)).answer == "not_allowed"
    again = await removed.open_page(packet_id)
    assert (again.answer, again.view, again.sender_id) == ("not_allowed", "", 0)
    with pytest.raises(NotAllowed):
        await removed.result_page(packet_id)
    assert [(await user.open(packet_id)).answer for user in (friend, room.sender)] == ["won", "won"]
    await books_balance()


async def test_removed_member_has_no_access_to_the_group(server: Server, party: MakeParty) -> None:
    room = await party(server, 2)
    removed = room.guests[0]
    await room.sender.remove_member(room.group, removed.user_id)
    for ask in (
        removed.say(room.group, "let me in"),
        removed.members(room.group),
        removed.catch_up(room.group, 0),
        removed.send_packet("lucky", room.group, 100, 1),
    ):
        with pytest.raises(NotAMember):
            await ask
    with pytest.raises(KickedOut):
        await removed.join_group(room.group)
    assert await room.sender.members(room.group) == [1, room.guests[1].user_id]
    await room.sender.say(room.group, "quiet now")
    await room.lucky(100, 1)
    pushes = []
    async with asyncio.timeout(PATIENCE_S):
        async for push in removed.pushes():
            pushes.append(push)
            if isinstance(push, RemovedFromGroup):
                break
    assert pushes[-1].group_id == room.group
    await removed.balance()
    assert not [push for push in removed.pushes()._pushes if isinstance(push, TextPosted | PacketPosted)]
    assert room.group not in removed.positions


async def test_removed_member_keeps_the_claims_already_won(server: Server, party: MakeParty) -> None:
    room = await party(server, 2)
    packet_id = await room.lucky(300, 2)
    removed = room.guests[0]
    won = await removed.open(packet_id)
    await room.sender.remove_member(room.group, removed.user_id)
    claimed = await removed.open_page(packet_id)
    assert (claimed.answer, claimed.view) == ("claimed", "result")
    assert (await removed.result_page(packet_id)).page.amount_fen == won.amount_fen

    async def credited() -> bool:
        return await removed.balance() == won.amount_fen

    await until(credited)


async def test_removal_survives_a_restart(start_server: StartServer, party: MakeParty, connect: Connect) -> None:
    room = await party(await start_server(), 2)
    packet_id = await room.lucky(300, 3)
    await room.sender.remove_member(room.group, room.guests[0].user_id)
    await room.server.stop()
    later = await connect(await start_server(), room.guests[0].user_id)
    assert later.welcome is not None
    assert [position.stream_id for position in later.welcome.places] == [later.user_id]
    assert (await later.open(packet_id)).answer == "not_allowed"
    with pytest.raises(KickedOut):
        await later.join_group(room.group)


async def test_only_the_owner_removes_members_and_the_owner_stays(
    server: Server, party: MakeParty, connect: Connect
) -> None:
    room = await party(server, 2)
    owner, (ann, ben) = room.sender, room.guests
    stranger = await connect(server, 900)
    with pytest.raises(NotOwner):
        await ann.remove_member(room.group, ben.user_id)
    with pytest.raises(NotOwner):
        await ann.remove_member(room.group, owner.user_id)
    with pytest.raises(NotAMember):
        await stranger.remove_member(room.group, ann.user_id)
    with pytest.raises(NotAMember):
        await owner.remove_member(room.group, stranger.user_id)
    with pytest.raises(Refusal, match="owner_stays"):
        await owner.remove_member(room.group, owner.user_id)
    with pytest.raises(Refusal, match="no_such_group"):
        await owner.remove_member(2**60, ann.user_id)
    assert await owner.members(room.group) == [1, 2, 3]
    await stranger.join_group(room.group)
    await owner.remove_member(room.group, ann.user_id)
    await owner.remove_member(room.group, ann.user_id)  # a repeated removal is harmless
    await ben.leave_group(room.group)
    await owner.remove_member(room.group, ben.user_id)  # a former member cannot come back either
    with pytest.raises(KickedOut):
        await ben.join_group(room.group)


async def test_join_whose_reply_is_late_does_not_cancel_a_removal(
    server: Server, party: MakeParty, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The join was recorded before the removal, but its reply arrives last."""
    room = await party(server, 1)
    newcomer = await connect(server, 900)
    store, joined, go = server.app.services.groups._store, asyncio.Event(), asyncio.Event()
    join = store.join

    async def late(*arguments: int) -> None:
        await join(*arguments)
        joined.set()
        await go.wait()

    monkeypatch.setattr(store, "join", late)
    joining = asyncio.ensure_future(newcomer.join_group(room.group))
    await joined.wait()
    removing = asyncio.ensure_future(room.sender.remove_member(room.group, newcomer.user_id))
    await until(lambda: done_or_next(server, room.group, removing))
    go.set()
    await asyncio.gather(joining, removing)
    assert set(server.app.services.groups.members(room.group)) == {1, 2}


async def done_or_next(server: Server, group_id: int, change: asyncio.Future[None]) -> bool:
    """A change of a group's members is done, or waits for the change in progress."""
    turn = server.app.services.groups._turns.get(group_id)
    return change.done() or (turn is not None and bool(turn._waiters))


async def test_concurrent_joins_and_removals_leave_memory_equal_to_the_record(
    server: Server, party: MakeParty, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    room = await party(server, 8)

    async def race(guest: Client) -> None:
        asks = [guest.join_group(room.group), room.sender.remove_member(room.group, guest.user_id)]
        await asyncio.gather(*asks, guest.join_group(room.group), return_exceptions=True)

    await asyncio.gather(*map(race, room.guests))
    assert set(server.app.services.groups.members(room.group)) == {1}
    left = await sql.fetch("SELECT user_id FROM memberships WHERE group_id = $1 AND left_at_ms IS NULL", room.group)
    assert [row["user_id"] for row in left] == [1]


@pytest.fixture
def quick_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes in doubt are looked up after 50 ms."""
    monkeypatch.setattr(in_doubt, "LOOK_S", 0.05)


@pytest.mark.usefixtures("quick_lookup")
async def test_removal_whose_commit_was_in_doubt_takes_effect(
    start_server: StartServer,
    party: MakeParty,
    postgres_proxy: tuple[Proxy, str],
    books_balance: BooksBalance,
) -> None:
    """Without a retry; the removed user receives one push and can subscribe to no page."""
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn, **NO_SETTLEMENT), 2)
    packet_id = await room.lucky(300, 3)
    removed, friend = room.guests
    assert (await removed.grab(packet_id)).answer == "ticket"
    proxy.lose_commit_of = struct.pack(">iqiq", 8, room.group, 8, removed.user_id)
    with pytest.raises(Refusal, match="store"):
        await room.sender.remove_member(room.group, removed.user_id)
    assert [one.group_id for one in await received(removed, 1, RemovedFromGroup)] == [room.group]
    assert proxy.lost_replies == 1
    assert (await removed.open(packet_id)).answer == "not_allowed"
    seen = room.server.app.services.live_packets.snapshot(packet_id)
    assert seen is not None
    assert [seen.may_follow(user.user_id) for user in (removed, friend)] == [False, True]
    await room.sender.remove_member(room.group, removed.user_id)
    assert not [one for one in removed.pushes()._pushes if isinstance(one, RemovedFromGroup)]
    await books_balance()


@pytest.mark.usefixtures("quick_lookup")
async def test_join_and_leave_whose_commits_were_in_doubt_take_effect(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    postgres_proxy: tuple[Proxy, str],
    books_balance: BooksBalance,
) -> None:
    proxy, dsn = postgres_proxy
    server = await start_server(stores__postgres=dsn, **NO_SETTLEMENT)
    room = await party(server, 1)
    packet_id = await room.lucky(300, 2)
    (ann,), ben = room.guests, await connect(server, 900)
    proxy.lose_commit_of = struct.pack(">iqiq", 8, room.group, 8, ben.user_id)
    with pytest.raises(Refusal, match="store"):
        await ben.join_group(room.group)
    proxy.lose_reply_to = struct.pack(">iqiq", 8, room.group, 8, ann.user_id)
    with pytest.raises(Refusal, match="store"):
        await ann.leave_group(room.group)
    assert proxy.lost_replies == 2

    async def in_step() -> bool:
        return set(server.app.services.groups.members(room.group)) == {1, 900}

    await until(in_step)
    assert [(await user.open(packet_id)).answer for user in (ann, ben)] == ["not_allowed", "won"]
    await books_balance()


@pytest.mark.usefixtures("quick_lookup")
async def test_change_after_a_change_in_doubt_stands(
    start_server: StartServer, party: MakeParty, postgres_proxy: tuple[Proxy, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lookup finds that Ann left; she joins before memory applies that result: then she is a member."""
    proxy, dsn = postgres_proxy
    server = await start_server(stores__postgres=dsn, **NO_SETTLEMENT)
    room = await party(server, 1)
    (ann,), store = room.guests, server.app.services.groups._store
    find_outcome, was_read, go = store.find_outcome, asyncio.Event(), asyncio.Event()

    async def late(*arguments: Any) -> Any:
        found = await find_outcome(*arguments)
        was_read.set()
        await go.wait()
        return found

    monkeypatch.setattr(store, "find_outcome", late)
    proxy.lose_reply_to = struct.pack(">iqiq", 8, room.group, 8, ann.user_id)
    with pytest.raises(Refusal, match="store"):
        await ann.leave_group(room.group)
    await was_read.wait()
    joining = asyncio.ensure_future(ann.join_group(room.group))
    await until(lambda: done_or_next(server, room.group, joining))
    go.set()
    await joining
    assert set(server.app.services.groups.members(room.group)) == {1, ann.user_id}

    async def settled() -> bool:
        return not server.app.services.groups.in_doubt._in_doubt

    await until(settled)
    assert set(server.app.services.groups.members(room.group)) == {1, ann.user_id}


async def test_removal_that_was_not_committed_removes_no_member(
    start_server: StartServer, party: MakeParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the lookup ends."""
    monkeypatch.setattr(in_doubt, "LOOK_S", 0.02)
    monkeypatch.setattr(in_doubt, "LATE_S", 0.1)
    room = await party(await start_server(), 1)
    groups, (ann,) = room.server.app.services.groups, room.guests

    async def away(*_: int) -> bool:
        raise StoreUnavailable("broken before it was committed")

    monkeypatch.setattr(groups._store, "remove_member", away)
    with pytest.raises(Refusal, match="store"):
        await room.sender.remove_member(room.group, ann.user_id)
    unknown = groups.in_doubt._in_doubt
    assert len(unknown) == 1

    async def forgotten() -> bool:
        return not unknown

    await until(forgotten)
    assert set(groups.members(room.group)) == {1, ann.user_id}
