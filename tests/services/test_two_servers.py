"""Two servers on one database: what one changes in a group holds at the other right after the reply."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import ConnectionLost
from protocol import messages
from protocol.messages import AddedToGroup, RemovedFromGroup
from tests.conftest import Connect, Server, StartServer
from tests.joining import join
from tests.services.conftest import until
from tests.services.test_membership import Backend, caught_up, first_push, refused
from tests.services.test_one_to_one import open_chat, put_chat

BooksBalance = Callable[[], Awaitable[None]]
OWNER, MEMBER = 1, 2


class Pair(NamedTuple):
    """Two servers: the backend and the owner are at the first one, the member at the second."""

    servers: tuple[Server, Server]
    backend: Backend
    owner: Client
    member: Client
    group: int
    packet: int


@pytest.fixture
async def pair(start_server: StartServer, connect: Connect) -> Pair:
    first, second = [await start_server(server__node=node) for node in range(2)]
    money = await connect(first, 0)
    await money.top_up(OWNER, 100_000)
    owner, member = await connect(first, OWNER), await connect(second, MEMBER)
    group = await owner.create_group("both")
    await join(member, group, owner)

    async def both_are_in() -> bool:  # true at once; if it is not, a test says so, and not this preparation
        return await owner.members(group) == [OWNER, MEMBER]

    await until(both_are_in)
    packet = (await owner.send_packet("lucky", group, 1_000, 2)).packet_id
    return Pair((first, second), Backend(money), owner, member, group, packet)


async def is_in(user: Client, pair: Pair) -> bool:
    """Whether a user is a member for every request of a member at their server: the answers must agree."""
    grabbed = (await user.grab(pair.packet)).answer == "ticket"
    works = (user.members(pair.group), user.say(pair.group, "hello"), caught_up(user, pair.group))
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    refused_ones = {getattr(one, "name", None) for one in outcomes}
    assert refused_ones in ({"not_a_member"}, {None}), outcomes
    assert grabbed == (refused_ones == {None})
    return grabbed


async def test_change_of_the_backend_holds_at_the_other_server_at_once(pair: Pair) -> None:
    member = pair.member
    assert await is_in(member, pair)
    for version in range(1, 20, 2):
        await pair.backend.change(pair.group, version, left=(MEMBER,))
        assert not await is_in(member, pair)
        await pair.backend.change(pair.group, version + 1, joined=(MEMBER,))
        assert await is_in(member, pair)
    await pair.backend.sync(pair.group, 50, OWNER)
    assert not await is_in(member, pair)
    await pair.backend.sync(pair.group, 51, OWNER, MEMBER)
    assert await is_in(member, pair)


CHANGES: dict[str, Callable[[Pair], Awaitable[object]]] = {
    "members of a group": lambda pair: pair.backend.change(pair.group, 1, left=(MEMBER,)),
    "all members of a group": lambda pair: pair.backend.sync(pair.group, 1, OWNER),
    "a member is removed": lambda pair: pair.owner.remove_member(pair.group, MEMBER),
    "a group is deleted": lambda pair: pair.backend._client.delete_group("backend's"),
    "a user opens a chat": lambda pair: open_chat(pair.owner, MEMBER),
    "the backend makes a chat": lambda pair: put_chat(pair.backend._client, OWNER, MEMBER),
    "a ban": lambda pair: pair.backend._client.ban_user(MEMBER),
    "tokens are revoked": lambda pair: pair.backend._client.revoke_tokens(MEMBER),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_change_is_answered_after_the_other_server_has_followed_it(pair: Pair, change: str) -> None:
    await pair.backend.put("backend's")
    reached, released = asyncio.Event(), asyncio.Event()

    async def held(number: int, version: int) -> None:
        reached.set()
        await released.wait()

    for follows in pair.servers[1].app.services.changes._follows.values():
        follows.append(held)
    asked = asyncio.ensure_future(CHANGES[change](pair))
    await reached.wait()  # perhaps by an earlier change
    for _ in range(10):  # each reads the record: a reply that waits for no one would come before the last one
        await pair.owner.balance()
    assert not asked.done()
    released.set()
    await asked


async def test_kick_at_one_server_holds_at_the_other_at_once(pair: Pair, books_balance: BooksBalance) -> None:
    ticket = (await pair.member.grab(pair.packet)).ticket
    await pair.owner.remove_member(pair.group, MEMBER)
    assert (await pair.member.open_with(pair.packet, ticket)).answer == "not_allowed"
    assert not await is_in(pair.member, pair)
    assert (await first_push(pair.member, RemovedFromGroup)).group_id == pair.group
    assert await refused(join(pair.member, pair.group, pair.owner)) == "kicked"
    await books_balance()


async def test_join_and_leave_at_one_server_hold_at_the_other_at_once(pair: Pair, connect: Connect) -> None:
    """The user is connected to both servers."""
    here, there = [await connect(server, 9) for server in pair.servers]
    for _ in range(5):
        await join(here, pair.group, pair.owner)
        assert await is_in(there, pair)
        await there.leave_group(pair.group)
        assert not await is_in(here, pair)
    assert await pair.owner.members(pair.group) == [OWNER, MEMBER]


async def test_added_member_is_told_at_the_server_where_they_are_connected(pair: Pair, connect: Connect) -> None:
    """Once for each group: the second server has one of the two in memory."""
    user = await connect(pair.servers[1], 9)
    other = await pair.backend.put("other")
    await pair.backend.change(other, 1, joined=(9,))
    await pair.backend.change(pair.group, 1, joined=(9,))
    told = [(await first_push(user, AddedToGroup)).group_id for _ in range(2)]
    assert sorted(told) == sorted([other, pair.group])
    await user.say(other, "hello")
    assert not [one for one in user.pushes()._pushes if isinstance(one, AddedToGroup)]


async def test_group_that_is_deleted_at_one_server_has_no_member_at_the_other_at_once(
    pair: Pair, connect: Connect
) -> None:
    backend = (pair.backend._client, await connect(pair.servers[1], 0))
    for place, deletes in enumerate(backend):
        group = await pair.backend.put(f"room {place}", "room", OWNER)
        await pair.backend.sync(group, 1, OWNER, MEMBER)
        packet = (await pair.owner.send_packet("lucky", group, 1_000, 2)).packet_id
        room = pair._replace(group=group, packet=packet)
        members = (pair.owner, pair.member)
        assert [await is_in(one, room) for one in members] == [True, True]
        assert await deletes.delete_group(f"room {place}") == group
        assert [await is_in(one, room) for one in reversed(members)] == [False, False]
        for one in members:
            assert (await first_push(one, RemovedFromGroup)).group_id == group
        for other in backend:
            asked = other._ask(messages.PutGroup(0, f"room {place}", "room", OWNER, "members"), messages.GroupPut)
            assert await refused(asked) == "bad_request"
            assert await other.delete_group(f"room {place}") == group


async def may_all(user: Client, chat: int) -> bool:
    """Whether a user may read and write in a chat: the answers must agree."""
    works = (user.members(chat), user.say(chat, "hello"), caught_up(user, chat))
    outcomes = {getattr(one, "name", None) for one in await asyncio.gather(*works, return_exceptions=True)}
    assert outcomes in ({"not_a_member"}, {None})
    return outcomes == {None}


OPENINGS: dict[str, Callable[[Pair], Awaitable[int]]] = {
    "a user opens it": lambda pair: stream_of(pair.owner, MEMBER),
    "the backend makes it": lambda pair: put_chat(pair.backend._client, OWNER, MEMBER),
}


async def stream_of(user: Client, other_id: int) -> int:
    return (await open_chat(user, other_id)).stream_id


@pytest.mark.parametrize("opening", OPENINGS)
async def test_chat_that_one_server_makes_is_used_at_the_other_at_once(
    pair: Pair, connect: Connect, opening: str
) -> None:
    """By its two users, and by no third one at either server."""
    thirds = [await connect(server, 9) for server in pair.servers]
    chat = await OPENINGS[opening](pair)
    assert await may_all(pair.member, chat)
    assert (await first_push(pair.member, AddedToGroup)).owner_id == OWNER
    assert await may_all(pair.owner, chat)
    assert [await may_all(one, chat) for one in thirds] == [False, False]
    assert await stream_of(pair.member, OWNER) == chat
    assert [post.message for post in (await caught_up(pair.member, chat)).messages] == [1, 2]


async def test_chat_that_both_users_open_at_once_at_two_servers_is_one(pair: Pair) -> None:
    opened = await asyncio.gather(stream_of(pair.owner, MEMBER), stream_of(pair.member, OWNER))
    assert len(set(opened)) == 1
    assert [await may_all(one, opened[0]) for one in (pair.owner, pair.member)] == [True, True]


async def test_name_and_owner_that_the_backend_changes_hold_at_the_other_server(
    pair: Pair, connect: Connect
) -> None:
    group = await pair.backend.put("named", "old", OWNER)
    await pair.backend.sync(group, 1, OWNER, MEMBER)
    assert await refused(pair.member.remove_member(group, OWNER)) == "not_owner"
    await pair.backend.put("named", "new", MEMBER)
    await pair.member.remove_member(group, OWNER)
    assert await refused(pair.owner.members(group)) == "not_a_member"


async def test_change_whose_reply_waits_for_a_server_that_is_killed_is_answered(pair: Pair) -> None:
    """Its lease ends; the change is recorded and holds."""
    await pair.servers[1].kill()
    await pair.backend.change(pair.group, 1, left=(MEMBER,))
    assert await pair.owner.members(pair.group) == [OWNER]
    with pytest.raises(ConnectionLost):
        await Client(pair.servers[1].url, "2.4000000000.test.00").connect(patience_s=0.0)


async def test_concurrent_changes_at_both_servers_leave_both_in_step(pair: Pair, connect: Connect) -> None:
    users = [await connect(pair.servers[number % 2], 10 + number) for number in range(8)]
    code = await pair.owner.invite(pair.group)

    async def restless(user: Client) -> None:
        for _ in range(5):
            await user.join_group(0, code)
            await user.leave_group(pair.group)
        await user.join_group(0, code)

    changes = [pair.backend.change(pair.group, version, joined=(100 + version,)) for version in range(1, 10)]
    await asyncio.gather(*map(restless, users), *changes)
    expected = {OWNER, MEMBER, *range(10, 18), *range(101, 110)}
    for server in pair.servers:
        assert set(server.app.services.groups.members(pair.group)) == expected
