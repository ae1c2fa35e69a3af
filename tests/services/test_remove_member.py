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
from storage.errors import StoreUnavailable
from tests.conftest import PATIENCE_S, Connect, Server, StartServer
from tests.joining import join
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
        await join(removed, room.group, room.sender)
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
    later_server = await start_server()
    later = await connect(later_server, room.guests[0].user_id)
    assert later.welcome is not None
    assert [position.stream_id for position in later.welcome.places] == [later.user_id]
    assert (await later.open(packet_id)).answer == "not_allowed"
    owner = await connect(later_server, 1)
    with pytest.raises(KickedOut):
        await join(later, room.group, owner)


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
    with pytest.raises(NotAMember):
        await owner.remove_member(2**60, ann.user_id)
    assert await owner.members(room.group) == [1, 2, 3]
    await join(stranger, room.group, owner)
    await owner.remove_member(room.group, ann.user_id)
    await owner.remove_member(room.group, ann.user_id)  # a repeated removal is harmless
    await ben.leave_group(room.group)
    await owner.remove_member(room.group, ben.user_id)  # a former member cannot come back either
    with pytest.raises(KickedOut):
        await join(ben, room.group, owner)


async def test_join_whose_reply_is_late_does_not_cancel_a_removal(
    server: Server, party: MakeParty, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The join was recorded before the removal, but its reply arrives last."""
    room = await party(server, 1)
    newcomer = await connect(server, 900)
    invite = await room.sender.invite(room.group)
    store, joined, go = server.app.services.membership._store, asyncio.Event(), asyncio.Event()
    record = store.join

    async def late(*arguments: Any) -> Any:
        made = await record(*arguments)
        joined.set()
        await go.wait()
        return made

    monkeypatch.setattr(store, "join", late)
    joining = asyncio.ensure_future(newcomer.join_group(room.group, invite))
    await joined.wait()
    await room.sender.remove_member(room.group, newcomer.user_id)
    go.set()
    with pytest.raises(NotAMember):
        await joining
    assert set(server.app.services.groups.members(room.group)) == {1, 2}


async def test_reading_that_is_late_does_not_overtake_a_later_change(
    server: Server, party: MakeParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ann has left, and that was read; she joins before memory applies what was read: then she is a member."""
    room = await party(server, 1)
    (ann,), store = room.guests, server.app.services.groups._store
    invite = await room.sender.invite(room.group)
    changes, was_read, go = store.changes, asyncio.Event(), asyncio.Event()

    async def late(*arguments: int) -> Any:
        found = await changes(*arguments)
        if not was_read.is_set():
            was_read.set()
            await go.wait()
        return found

    monkeypatch.setattr(store, "changes", late)
    leaving = asyncio.ensure_future(ann.leave_group(room.group))
    await was_read.wait()
    joining = asyncio.ensure_future(ann.join_group(room.group, invite))
    await until(lambda: done_or_next(server, room.group, joining))
    go.set()
    await asyncio.gather(leaving, joining)
    assert set(server.app.services.groups.members(room.group)) == {1, ann.user_id}


async def done_or_next(server: Server, group_id: int, change: asyncio.Future[Any]) -> bool:
    """A change of a group's members is done, or waits for the reading in progress."""
    turn = server.app.services.groups._turns.get(group_id)
    return change.done() or (turn is not None and bool(turn._waiters))


async def test_concurrent_joins_and_removals_leave_memory_equal_to_the_record(
    server: Server, party: MakeParty, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    room = await party(server, 8)

    invite = await room.sender.invite(room.group)

    async def race(guest: Client) -> None:
        asks = [guest.join_group(room.group, invite), room.sender.remove_member(room.group, guest.user_id)]
        await asyncio.gather(*asks, guest.join_group(room.group, invite), return_exceptions=True)

    await asyncio.gather(*map(race, room.guests))
    assert set(server.app.services.groups.members(room.group)) == {1}
    left = await sql.fetch("SELECT user_id FROM memberships WHERE group_id = $1 AND left_at_ms IS NULL", room.group)
    assert [row["user_id"] for row in left] == [1]


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
    ann, ben = await connect(server, 901), await connect(server, 900)
    invite = await room.sender.invite(room.group)
    await ann.join_group(room.group, invite)
    proxy.lose_commit_of = struct.pack(">iqiq", 8, room.group, 8, ben.user_id)
    with pytest.raises(Refusal, match="store"):
        await ben.join_group(room.group, invite)
    proxy.lose_commit_of = struct.pack(">iqiq", 8, room.group, 8, ann.user_id)
    with pytest.raises(Refusal, match="store"):
        await ann.leave_group(room.group)
    assert proxy.lost_replies == 2

    async def in_step() -> bool:
        return set(server.app.services.groups.members(room.group)) == {1, 2, 900}

    await until(in_step)
    assert [(await user.open(packet_id)).answer for user in (ann, ben)] == ["not_allowed", "won"]
    await books_balance()


async def test_removal_that_was_not_committed_removes_no_member(
    start_server: StartServer, party: MakeParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await party(await start_server(), 1)
    services, (ann,) = room.server.app.services, room.guests

    async def away(*_: int) -> bool:
        raise StoreUnavailable("broken before it was committed")

    monkeypatch.setattr(services.membership._store, "remove_member", away)
    with pytest.raises(Refusal, match="store"):
        await room.sender.remove_member(room.group, ann.user_id)
    assert set(services.groups.members(room.group)) == {1, ann.user_id}
