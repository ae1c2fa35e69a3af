"""Send again: a second post; members of the other group may open, strangers may not; each group sees the finish."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from bench.chaos.proxy import Proxy
from client_sim.sdk.client import Client
from client_sim.sdk.errors import Finished, NotAllowed, NotAMember, Refusal
from protocol.messages import ChatOpened, OpenChat, PacketFinished, PacketPosted
from server.services.money.audit import audit
from server.services.runtime import in_doubt
from server.services.runtime.events import PacketPost
from storage.errors import StoreUnavailable
from storage.postgres.database import Database
from tests.conftest import PATIENCE_S, SEED_KEYS, Connect, Server, StartServer
from tests.joining import join
from tests.services.conftest import MakeParty, until
from tests.services.test_reminders import NO_SETTLEMENT, received

BooksBalance = Callable[[], Awaitable[None]]
OTHER = 800


async def push_of(client: Client, kind: type[Any], stream_id: int) -> Any:
    """The next push of a kind in a stream."""
    async with asyncio.timeout(PATIENCE_S):
        async for push in client.pushes():
            if isinstance(push, kind) and push.stream_id == stream_id:
                return push
    raise AssertionError("the client was closed")


async def test_packet_sent_to_another_group_opens_for_its_members(
    start_server: StartServer, party: MakeParty, connect: Connect, books_balance: BooksBalance
) -> None:
    room = await party(await start_server(), 2)
    packet_id = await room.lucky(300, 3)
    other = await connect(room.server, OTHER)
    group = await room.sender.create_group("other")
    await join(other, group, room.sender)
    assert (await other.open(packet_id)).answer == "not_allowed"
    again = await room.sender.send_again(packet_id, group)
    assert (again.packet_id, again.stream_id, again.message) == (packet_id, group, 1)
    posted = await push_of(other, PacketPosted, group)
    assert (posted.packet_id, posted.message, posted.shares) == (packet_id, 1, 3)
    assert (await other.open(packet_id)).answer == "won"
    assert (await room.guests[0].open(packet_id)).answer == "won"
    assert (await (await connect(room.server, 900)).open(packet_id)).answer == "not_allowed"
    await room.server.stop()

    server = await start_server()  # and after a load from the record
    late = await connect(server, 801)
    assert (await late.open(packet_id)).answer == "not_allowed"
    await join(late, group, await connect(server, room.sender.user_id))
    inside, outside = await connect(server, OTHER), await connect(server, room.guests[0].user_id)
    assert (await late.open(packet_id)).answer == "won"
    for client, stream_id in ((inside, group), (late, group), (outside, room.group)):
        end = await push_of(client, PacketFinished, stream_id)
        assert (end.packet_id, end.shares, end.best_user_id > 0) == (packet_id, 3, True)
    sender = await connect(server, 1)
    assert (await inside.reveal(packet_id)).state == (await sender.reveal(packet_id)).state == "finished"
    assert (await inside.open_page(packet_id)).view == "result"
    await books_balance()


async def test_finish_is_pushed_once_in_each_group(server: Server, party: MakeParty, connect: Connect) -> None:
    room = await party(server, 1)
    packet_id = await room.lucky(300, 1)
    groups = [await room.sender.create_group(name) for name in ("two", "three")]
    for group in groups:
        await room.sender.send_again(packet_id, group)
    await room.guests[0].open(packet_id)
    for group in (room.group, *groups):
        await push_of(room.sender, PacketFinished, group)
    await room.sender.balance()
    assert not [one for one in room.sender.pushes()._pushes if isinstance(one, PacketFinished)]
    assert [one.stream_id for one in room.guests[0].pushes()._pushes if isinstance(one, PacketFinished)] in (
        [room.group],
        [],
    )


async def test_audit_reports_the_claim_of_a_stranger(
    server: Server,
    party: MakeParty,
    connect: Connect,
    database: Database,
    sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    room = await party(server, 2)
    packet_id = await room.lucky(300, 2)
    other = await connect(server, OTHER)
    group = await room.sender.create_group("other")
    await join(other, group, room.sender)
    await room.sender.send_again(packet_id, group)
    assert (await other.open(packet_id)).answer == "won"

    async def found() -> list[str]:
        report = await audit(database, SEED_KEYS)
        return next(one.discrepancies for one in report.findings if one.name == "allowed")

    assert await found() == []
    await sql.execute("DELETE FROM memberships WHERE user_id = $1", OTHER)
    assert len(await found()) == 1
    await sql.execute("INSERT INTO memberships VALUES ($1, $2, 0)", room.group, OTHER)
    assert await found() == []
    await sql.execute("DELETE FROM memberships WHERE user_id = $1", OTHER)
    await sql.execute("DELETE FROM packet_groups")
    [line] = await found()
    assert str(OTHER) in line


async def test_packet_sent_again_in_its_own_group_is_posted_again(server: Server, party: MakeParty) -> None:
    room = await party(server, 1)
    packet_id = await room.lucky(300, 2)
    first = await push_of(room.guests[0], PacketPosted, room.group)
    again = await room.sender.send_again(packet_id)
    second = await push_of(room.guests[0], PacketPosted, room.group)
    assert (again.stream_id, again.message) == (room.group, 2)
    assert (second.packet_id, second.message, second.commitment) == (packet_id, 2, first.commitment)
    assert second.at_ms >= first.at_ms
    found = await room.guests[0].catch_up(room.group, 0)
    assert found == [first, second]  # catch-up returns the same posts as the pushes
    assert server.app.services.live_packets._by_id[packet_id].also_in == ()


async def test_personal_packet_sent_again_goes_to_its_receiver(server: Server, party: MakeParty) -> None:
    room = await party(server, 2)
    receiver = room.guests[0]
    packet_id = (await room.sender.send_packet("personal", receiver.user_id, 500)).packet_id
    again = await room.sender.send_again(packet_id)
    assert (again.stream_id, again.message) == (1, 2)
    assert [(await push_of(receiver, PacketPosted, receiver.user_id)).message for _ in range(2)] == [1, 2]
    with pytest.raises(Refusal, match="bad_target"):
        await room.sender.send_again(packet_id, room.group)
    assert (await room.guests[1].open(packet_id)).answer == "not_allowed"
    assert (await receiver.open(packet_id)).answer == "won"


async def test_send_again_that_is_not_allowed_is_refused(
    server: Server, party: MakeParty, connect: Connect
) -> None:
    room = await party(server, 1)
    ann = room.guests[0]
    packet_id = await room.lucky(300, 1)
    theirs = await ann.create_group("theirs")
    for client, packet in ((ann, packet_id), (room.sender, 2**60)):
        with pytest.raises(NotAllowed):
            await client.send_again(packet)
    for group in (theirs, 2**60, -1):
        with pytest.raises(NotAMember):
            await room.sender.send_again(packet_id, group)
    await ann.open(packet_id)
    with pytest.raises(Finished):
        await room.sender.send_again(packet_id)


@pytest.mark.parametrize("kind", ["lucky", "equal"])
async def test_packet_for_groups_is_sent_again_to_groups_only_as_a_send_is(
    server: Server, party: MakeParty, kind: str
) -> None:
    room = await party(server, 1)
    (ann,) = room.guests
    packet_id = (await room.sender.send_packet(kind, room.group, 300, 2)).packet_id
    chat = (await room.sender._ask(OpenChat(0, ann.user_id), ChatOpened)).stream_id
    for target in (chat, ann.user_id, room.sender.user_id):
        for request in (room.sender.send_packet(kind, target, 300, 1), room.sender.send_again(packet_id, target)):
            with pytest.raises(Refusal, match="bad_target"):
                await request
    assert await ann.catch_up(chat, 0) == []
    assert await room.sender.say(chat, "first") == 1


async def test_expired_packet_is_not_sent_again(start_server: StartServer, party: MakeParty) -> None:
    room = await party(await start_server(limits__packet_lifetime_s=0.2, refunds__interval_s=3600), 1)
    packet_id = await room.lucky(300, 1)
    await asyncio.sleep(0.25)
    with pytest.raises(Finished):
        await room.sender.send_again(packet_id)


async def test_groups_of_a_packet_are_limited(start_server: StartServer, party: MakeParty) -> None:
    room = await party(await start_server(limits__groups_of_packet_max=3), 0)
    packet_id = await room.lucky(300, 1)
    groups = [await room.sender.create_group(f"{n}") for n in range(4)]
    outcomes = await asyncio.gather(
        *(room.sender.send_again(packet_id, group) for group in groups), return_exceptions=True
    )
    refused = [one for one in outcomes if isinstance(one, Refusal)]
    assert [one.name for one in refused] == ["too_many_groups"] * 2
    inside = room.server.app.services.live_packets._by_id[packet_id].also_in
    assert len(inside) == 2
    await room.sender.send_again(packet_id, inside[0])  # a group that has it already does not count twice
    await room.sender.send_again(packet_id)


async def test_packet_sent_again_during_its_reload_keeps_the_new_group(
    server: Server, party: MakeParty, connect: Connect
) -> None:
    """The record was read before the group was added: the group is not lost."""
    room = await party(server, 1)
    packet_id = await room.lucky(300, 2)
    other = await connect(server, OTHER)
    group = await room.sender.create_group("other")
    await join(other, group, room.sender)
    reload, was_read, go = server.app.services.reload, asyncio.Event(), asyncio.Event()
    read = reload._read

    async def slowly(ids: list[int]) -> Any:
        stored = await read(ids)
        was_read.set()
        await go.wait()
        return stored

    reload._read = slowly  # type: ignore[method-assign]
    server.app.services.live_packets._by_id.clear()
    waiting = asyncio.ensure_future(other.grab(packet_id))
    await was_read.wait()
    await room.sender.send_again(packet_id, group)
    go.set()
    assert (await waiting).answer == "ticket"


async def test_packet_sent_again_in_doubt_is_posted_and_opens(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    postgres_proxy: tuple[Proxy, str],
    books_balance: BooksBalance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a retry the group receives the post, once, and its members may open the packet."""
    monkeypatch.setattr(in_doubt, "LOOK_S", 0.05)
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn, **NO_SETTLEMENT), 1)
    packet_id = await room.lucky(1_000, 2)
    other = await connect(room.server, OTHER)
    group = await room.sender.create_group("other")
    await join(other, group, room.sender)
    await other.say(group, "first")
    proxy.lose_commit_of = struct.pack(">q", packet_id)
    with pytest.raises(Refusal, match="store"):
        await room.sender.send_again(packet_id, group)
    (posted,) = await received(other, 1, PacketPosted)
    assert proxy.lost_replies == 1
    assert (posted.packet_id, posted.stream_id, posted.message) == (packet_id, group, 2)
    assert (await other.open(packet_id)).answer == "won"
    assert (await other.catch_up(group, 1)) == [posted]
    await books_balance()


async def test_personal_packet_sent_again_in_doubt_is_posted_to_both(
    start_server: StartServer, party: MakeParty, postgres_proxy: tuple[Proxy, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_doubt, "LOOK_S", 0.05)
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn, **NO_SETTLEMENT), 1)
    (receiver,) = room.guests
    packet_id = (await room.sender.send_packet("personal", receiver.user_id, 500)).packet_id
    proxy.lose_commit_of = struct.pack(">q", packet_id)
    with pytest.raises(Refusal, match="store"):
        await room.sender.send_again(packet_id)
    for client in (room.sender, receiver):
        posts = await received(client, 2, PacketPosted)
        assert [(one.stream_id, one.message) for one in posts] == [(client.user_id, 1), (client.user_id, 2)]


async def test_packet_sent_again_but_not_committed_is_not_posted(
    start_server: StartServer, party: MakeParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a group that has it already, the first post does not count as the second; and the lookup ends."""
    monkeypatch.setattr(in_doubt, "LOOK_S", 0.02)
    monkeypatch.setattr(in_doubt, "LATE_S", 0.1)
    room = await party(await start_server(), 1)
    packet_id = await room.lucky(1_000, 2)
    resends = room.server.app.services.resends

    async def away(*_: Any) -> list[int]:
        raise StoreUnavailable("broken before it was committed")

    posts: list[Any] = []  # read from the bus, because a client does not show the same message twice
    monkeypatch.setattr(resends._store, "record", away)
    resends._bus.subscribe(lambda event, audience: posts.append(event), PacketPost)
    with pytest.raises(Refusal, match="store"):
        await room.sender.send_again(packet_id)
    unknown = resends.in_doubt._in_doubt
    assert len(unknown) == 1

    async def forgotten() -> bool:
        return not unknown

    await until(forgotten)
    assert posts == []
