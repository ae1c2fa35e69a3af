"""Groups, texts and catch-up: missed posts come in order without a gap, or the client is asked to reload."""

from __future__ import annotations

import asyncio

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import ConnectionLost, Refusal
from protocol.messages import CatchUp, CaughtUp, PacketPosted, TextPosted
from tests.conftest import Connect, Server, StartServer, token
from tests.joining import join
from tests.services.conftest import MakeParty


async def caught_up(client: Client, stream_id: int, after: int) -> CaughtUp:
    """One page of catch-up, as the wire has it."""
    return await client._ask(CatchUp(0, stream_id, after), CaughtUp)


async def test_texts_reach_all_members_with_numbers_without_gap(
    server: Server, party: MakeParty, connect: Connect
) -> None:
    room = await party(server, 3)
    stranger = await connect(server, 77)
    numbers = await asyncio.gather(*(guest.say(room.group, f"text {guest.user_id}") for guest in room.guests))
    assert sorted(numbers) == [1, 2, 3]
    for member in (*room.guests, room.sender):
        received = []
        async for push in member.pushes():
            received.append(push.message)
            if len(received) == 3:
                break
        assert received == [1, 2, 3]
    with pytest.raises(Refusal) as caught:
        await stranger.say(room.group, "let me in")
    assert caught.value.name == "not_a_member"


async def test_user_who_was_offline_catches_up_on_packets_and_texts(
    server: Server, party: MakeParty, connect: Connect
) -> None:
    room = await party(server, 1)
    await room.guests[0].close()
    await room.sender.say(room.group, "are you there?")
    packet_id = await room.lucky(100, 1)
    personal = await room.sender.send_packet("personal", 2, 50, 1)
    back = await connect(server, 2, positions={room.group: 0, 2: 0})
    found = []
    async for push in back.pushes():
        found.append(push)
        if len(found) == 3:
            break
    texts = [post for post in found if isinstance(post, TextPosted)]
    packets = {post.packet_id: post for post in found if isinstance(post, PacketPosted)}
    assert [(post.message, post.text) for post in texts] == [(1, "are you there?")]
    assert packets[packet_id].message == 2
    assert (packets[personal.packet_id].stream_id, packets[personal.packet_id].message) == (2, 1)
    assert (await back.open(personal.packet_id)).amount_fen == 50


async def test_catch_up_returns_the_same_posts_as_the_missed_pushes(server: Server, party: MakeParty) -> None:
    room = await party(server, 1)
    await room.sender.say(room.group, "hello")
    await room.lucky(100, 1)
    pushed = []
    async for push in room.guests[0].pushes():
        pushed.append(push)
        if len(pushed) == 2:
            break
    assert (await caught_up(room.guests[0], room.group, 0)).messages == pushed


async def test_catch_up_is_paged_and_asks_for_reload_when_too_far_behind(
    start_server: StartServer, party: MakeParty
) -> None:
    room = await party(await start_server(limits__catch_up_messages=3, limits__reload_after_messages=7), 1)
    for number in range(7):
        await room.sender.say(room.group, f"text {number}")
    page = await caught_up(room.guests[0], room.group, 0)
    assert ([post.message for post in page.messages], page.last_message, page.reload) == ([1, 2, 3], 7, False)
    page = await caught_up(room.guests[0], room.group, 6)
    assert [post.message for post in page.messages] == [7]
    await room.sender.say(room.group, "one too many")
    for after in (0, 9, 2**62):  # too far behind, and beyond the end, as after the restore of a backup
        page = await caught_up(room.guests[0], room.group, after)
        assert (page.messages, page.last_message, page.reload) == ([], 8, True)
    page = await caught_up(room.guests[0], room.group, 8)
    assert (page.messages, page.last_message, page.reload) == ([], 8, False)


async def test_members_are_listed_after_join_and_leave(server: Server, party: MakeParty, connect: Connect) -> None:
    room = await party(server, 2)
    assert sorted(await room.sender.members(room.group)) == [1, 2, 3]
    await room.guests[0].leave_group(room.group)
    await room.guests[0].leave_group(room.group)
    assert sorted(await room.sender.members(room.group)) == [1, 3]
    packet_id = await room.lucky(100, 2)
    assert (await room.guests[0].open(packet_id)).answer == "not_allowed"
    await join(room.guests[0], room.group, room.sender)
    assert (await room.guests[0].open(packet_id)).answer == "won"


async def test_groups_of_a_user_are_limited(start_server: StartServer, connect: Connect) -> None:
    server = await start_server(limits__groups_of_user_max=2)
    owner, user = await connect(server, 1), await connect(server, 2)
    groups = [await owner.create_group(name) for name in ("one", "two")]
    third = await connect(server, 3)
    other = await third.create_group("three")
    for group in groups:
        await join(user, group, owner)
    for work in (owner.create_group("four"), join(user, other, third)):
        with pytest.raises(Refusal) as caught:
            await work
        assert caught.value.name == "too_many_groups"
    await user.join_group(groups[0])  # a repeated join is harmless
    await user.leave_group(groups[0])
    await join(user, other, third)


async def test_connections_of_a_user_are_limited(start_server: StartServer, connect: Connect) -> None:
    server = await start_server(limits__connections_of_user_max=2)
    phones = [await connect(server, 1), await connect(server, 1)]
    with pytest.raises(ConnectionLost):
        await Client(server.url, token(1)).connect(patience_s=0.0)
    for _ in range(4):
        await connect(server, 0)  # the chat backend has no such limit
    await phones[0].close()
    await connect(server, 1)


@pytest.mark.parametrize("restart", [False, True])
async def test_group_requests_that_are_not_allowed_are_refused(
    start_server: StartServer, connect: Connect, restart: bool
) -> None:
    server = await start_server(limits__group_members_max=2)
    owner = await connect(server, 1)
    group = await owner.create_group("two of us")
    invite = await owner.invite(group)
    await (await connect(server, 2)).join_group(group, invite)
    if restart:
        await server.stop()
        server = await start_server(limits__group_members_max=2)
        owner = await connect(server, 1)
    third = await connect(server, 3)
    for work, reason in (
        (third.join_group(group, invite), "group_full"),
        (third.join_group(group + 1, invite), "bad_invite"),
        (owner.leave_group(group), "owner_stays"),
        (third.members(group), "not_a_member"),
        (third.create_group(""), "bad_name"),
        (owner.say(group, ""), "bad_text"),
        (owner.say(group, "x" * 2_001), "bad_text"),
        (caught_up(third, group, 0), "not_a_member"),
        (caught_up(third, 1, 0), "not_a_member"),  # the inbox of another user
    ):
        with pytest.raises(Refusal) as caught:
            await work
        assert caught.value.name == reason
