"""How users come into a group: by invite code or by the chat backend, and not by its number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import Refusal
from protocol import messages
from protocol.messages import AddedToGroup, RemovedFromGroup
from server import app
from server.app import STORE_TIMEOUT_S
from server.services.chat import backend_groups
from storage.postgres.chat.backend_groups import BackendGroupStore
from tests.conftest import PATIENCE_S, Connect, Server, StartServer
from tests.joining import join
from tests.services.conftest import WAITING, MakeParty, until

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BooksBalance = Callable[[], Awaitable[None]]
STRANGER = 77


class Backend:
    """The chat backend's requests, as the wire has them."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def put(self, external_id: str, name: str = "team", owner_id: int = 0, audience: str = "members") -> int:
        request = messages.PutGroup(0, external_id, name, owner_id, audience)
        return (await self._client._ask(request, messages.GroupPut)).group_id

    async def sync(self, group_id: int, version: int, *user_ids: int) -> tuple[int, int, int]:
        made = await self._client._ask(
            messages.SyncMembers(0, group_id, version, list(user_ids)), messages.MembersSynced
        )
        return made.joined, made.left, made.members

    async def change(
        self, group_id: int, version: int, joined: tuple[int, ...] = (), left: tuple[int, ...] = ()
    ) -> tuple[int, int, int]:
        request = messages.ChangeMembers(0, group_id, version, list(joined), list(left))
        made = await self._client._ask(request, messages.MembersChanged)
        return made.joined, made.left, made.members


@pytest.fixture
async def chat_backend(server: Server, connect: Connect) -> Backend:
    return Backend(await connect(server, 0))


async def refused(work: Awaitable[Any]) -> str:
    """The name of the refusal."""
    with pytest.raises(Refusal) as caught:
        await work
    return caught.value.name


async def first_push(client: Client, kind: type[Any]) -> Any:
    """The first push of this class."""
    async with asyncio.timeout(PATIENCE_S):
        async for push in client.pushes():
            if isinstance(push, kind):
                return push
    raise AssertionError("the pushes ended")


# --- invite codes ---------------------------------------------------------------------------------------------


async def test_stranger_without_the_code_cannot_join_and_learns_nothing(
    server: Server, party: MakeParty, connect: Connect
) -> None:
    room = await party(server, 1)
    other = await connect(server, 500)
    wrong = await other.invite(await other.create_group("another"))
    stranger = await connect(server, STRANGER)
    for group_id in (room.group, room.group + 1):
        for code in ("", wrong, "A" * 16, "no code"):
            assert await refused(stranger.join_group(group_id, code)) == "bad_invite"
        assert await refused(stranger.members(group_id)) == "not_a_member"
        assert await refused(stranger.say(group_id, "hello")) == "not_a_member"
        assert await refused(stranger.invite(group_id)) == "not_a_member"
    assert await refused(stranger.join_group(0, "")) == "bad_invite"
    assert await room.sender.members(room.group) == [1, 2]


async def test_invite_code_lets_in_with_and_without_the_number_of_the_group(
    server: Server, party: MakeParty, connect: Connect
) -> None:
    room = await party(server, 1)
    code = await room.guests[0].invite(room.group)
    assert (len(code), code, await room.sender.invite(room.group)) == (16, code.upper(), code)
    by_code, by_both = await connect(server, 50), await connect(server, 51)
    assert (await by_code.join_group(0, code.lower() + " ")).group_id == room.group
    assert (await by_both.join_group(room.group, code)).name == "party"
    await by_both.join_group(room.group)  # a member needs no code
    assert await room.sender.members(room.group) == [1, 2, 50, 51]


async def test_renewed_code_ends_the_old_one(server: Server, party: MakeParty, connect: Connect) -> None:
    room = await party(server, 1)
    old = await room.sender.invite(room.group)
    assert await refused(room.guests[0].invite(room.group, renew=True)) == "not_owner"
    new = await room.sender.invite(room.group, renew=True)
    late = await connect(server, 50)
    assert new != old
    assert await refused(late.join_group(room.group, old)) == "bad_invite"
    assert await refused(late.join_group(0, old)) == "bad_invite"
    await late.join_group(room.group, new)


# --- limits ---------------------------------------------------------------------------------------------------


async def test_groups_made_at_once_do_not_pass_the_limit(start_server: StartServer, connect: Connect) -> None:
    """40 at once against a limit of 3, on two servers."""
    servers = [await start_server(limits__groups_of_user_max=3, server__node=node) for node in range(2)]
    user = [await connect(server, 1) for server in servers]
    asked = [user[number % 2].create_group(f"group {number}") for number in range(40)]
    made = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(one, int) for one in made) == 3
    assert {one.name for one in made if isinstance(one, Refusal)} == {"too_many_groups"}


AT_ONCE = 6  # joinings that are certain to be under way together: as many as pass a limit of 3


@asynccontextmanager
async def no_membership_written(sql: Sql, lock_view: Sql) -> AsyncIterator[None]:
    """Hold every joining where it has read all it decides by, or waits for one that has; go on when many wait.

    Without a lock between them all of these would have counted the same members.
    """

    async def many_wait() -> bool:
        return bool(await lock_view.fetchval(WAITING) >= AT_ONCE)

    async with sql.transaction():
        await sql.execute("LOCK TABLE memberships IN SHARE MODE")
        yield
        await until(many_wait)


async def test_joins_at_once_do_not_pass_the_limit_of_the_user(
    start_server: StartServer, connect: Connect, sql: Sql, lock_view: Sql
) -> None:
    """9 at once against a limit of 3, on two servers."""
    servers = [await start_server(limits__groups_of_user_max=3, server__node=node) for node in range(2)]
    owners = [await connect(servers[0], 100 + number) for number in range(9)]
    groups = [await owner.create_group("group") for owner in owners]
    codes = [await owner.invite(group) for owner, group in zip(owners, groups, strict=True)]
    user = [await connect(server, 1) for server in servers]
    async with no_membership_written(sql, lock_view):
        joins = [asyncio.ensure_future(user[place % 2].join_group(0, code)) for place, code in enumerate(codes)]
    made = await asyncio.gather(*joins, return_exceptions=True)
    assert sum(not isinstance(one, Exception) for one in made) == 3
    assert {one.name for one in made if isinstance(one, Refusal)} == {"too_many_groups"}
    assert await sql.fetchval("SELECT count(*) FROM memberships WHERE user_id = 1 AND left_at_ms IS NULL") == 3


async def test_joins_at_once_do_not_pass_the_limit_of_the_group(
    start_server: StartServer, connect: Connect, sql: Sql, lock_view: Sql
) -> None:
    """12 users at once into a group of at most 3 members, its owner among them, on two servers."""
    servers = [await start_server(limits__group_members_max=3, server__node=node) for node in range(2)]
    owner = await connect(servers[0], 100)
    group = await owner.create_group("group")
    code = await owner.invite(group)
    users = [await connect(servers[number % 2], 1 + number) for number in range(12)]
    async with no_membership_written(sql, lock_view):
        joins = [asyncio.ensure_future(user.join_group(0, code)) for user in users]
    made = await asyncio.gather(*joins, return_exceptions=True)
    assert len(await members(sql, group)) == 3
    assert {one.name for one in made if isinstance(one, Refusal)} == {"group_full"}
    joined = [1 + place for place, one in enumerate(made) if not isinstance(one, Exception)]
    assert await members(sql, group) == [*joined, 100]
    assert [await users[user_id - 1].members(group) for user_id in joined] == [[*joined, 100]] * 2


# --- the backend's groups -------------------------------------------------------------------------------------


async def test_put_group_makes_one_group_for_one_id(
    chat_backend: Backend, server: Server, connect: Connect, sql: Sql
) -> None:
    group = await chat_backend.put("room/1", "old")
    assert await chat_backend.put("room/1", "old") == group
    version = await sql.fetchval("SELECT members_version FROM groups")
    assert await chat_backend.put("room/1", "new", 7) == group
    assert await sql.fetchval("SELECT members_version FROM groups") == version + 1
    await chat_backend.sync(group, 1, 7)
    owner = await connect(server, 7)
    assert owner.welcome is not None
    assert [tuple(one)[:3] for one in map(_fields, owner.welcome.places) if one[0] == group] == [(group, "new", 7)]
    assert await refused(chat_backend.put("room/1", "new", 7, "signature")) == "bad_request"
    assert await refused(chat_backend.put("", "new")) == "bad_request"
    assert await refused(chat_backend.put("x" * 65, "new")) == "bad_request"
    assert await refused(chat_backend.put("room/2", "")) == "bad_name"
    assert await refused(chat_backend.put("room/2", "new", 0, "all")) == "bad_request"
    at_once = await asyncio.gather(*(chat_backend.put("room/3", "same") for _ in range(10)))
    assert len(set(at_once)) == 1


def _fields(place: messages.StreamPosition) -> tuple[Any, ...]:
    return place.stream_id, place.name, place.owner_id, place.last_message


async def test_sync_sets_the_whole_list_and_again_changes_nothing(chat_backend: Backend, sql: Sql) -> None:
    group = await chat_backend.put("room")
    assert await chat_backend.sync(group, 10, 1, 2, 3, 3) == (3, 0, 3)
    assert await chat_backend.sync(group, 10, 1, 2, 3) == (0, 0, 3)
    version = await sql.fetchval("SELECT members_version FROM groups")
    assert await chat_backend.sync(group, 11, 1, 2, 3) == (0, 0, 3)
    assert await sql.fetchval("SELECT members_version FROM groups") == version
    assert await chat_backend.sync(group, 12, 2, 4) == (1, 2, 2)
    assert await chat_backend.sync(group, 11, 1, 3) == (0, 0, 2)  # older than what is recorded, also of 2
    assert await members(sql, group) == [2, 4]
    assert await refused(chat_backend.sync(group + 1, 1, 2)) == "no_such_group"


async def members(sql: Sql, group: int) -> list[int]:
    rows = await sql.fetch(
        "SELECT user_id FROM memberships WHERE group_id = $1 AND left_at_ms IS NULL ORDER BY 1", group
    )
    return [row[0] for row in rows]


async def test_late_change_does_not_undo_a_newer_one(chat_backend: Backend, sql: Sql) -> None:
    group = await chat_backend.put("room")
    assert await chat_backend.change(group, 5, joined=(1, 2)) == (2, 0, 2)
    assert await chat_backend.change(group, 5, joined=(1, 2)) == (0, 0, 2)
    assert await chat_backend.change(group, 9, left=(1, 3)) == (0, 1, 1)  # 3 was never in
    assert await chat_backend.change(group, 8, joined=(1, 3)) == (0, 0, 1)
    assert await chat_backend.change(group, 10, joined=(1,)) == (1, 0, 2)
    assert await chat_backend.change(group, 9, left=(1,)) == (0, 0, 2)
    assert await chat_backend.sync(group, 7, 4) == (1, 1, 2)  # 1 came at 10, and stays; 2 came at 5, and leaves
    assert await members(sql, group) == [1, 4]
    assert await chat_backend.change(group, 6, joined=(2,), left=(4,)) == (0, 0, 2)  # before the whole list
    assert await refused(chat_backend.change(group, 11, joined=(1,), left=(1,))) == "bad_request"


async def test_changes_in_any_order_end_in_the_same_list(chat_backend: Backend, sql: Sql) -> None:
    """Each change is sent twice, all at once: the newest version of each user decides."""
    for attempt in range(5):
        group = await chat_backend.put(f"room {attempt}")
        works = [chat_backend.change(group, version, joined=(1, version)) for version in range(2, 12, 2)]
        works += [chat_backend.change(group, version, left=(1, version - 1)) for version in range(3, 13, 2)]
        works += [chat_backend.change(group, version, joined=(1, version)) for version in range(2, 12, 2)]
        works += [chat_backend.sync(group, 6, 50, 51)]
        await asyncio.gather(*(works if attempt % 2 else works[::-1]))
        assert await members(sql, group) == [50, 51]


async def test_added_and_removed_members_are_told_and_may_or_may_not_open(
    server: Server, party: MakeParty, connect: Connect, books_balance: BooksBalance
) -> None:
    room = await party(server, 1)
    backend, late = Backend(await connect(server, 0)), await connect(server, STRANGER)
    packet_id = await room.lucky(300, 2)
    assert (await late.grab(packet_id)).answer == "not_allowed"
    await backend.change(room.group, 1, joined=(STRANGER,))
    added = await first_push(late, AddedToGroup)
    assert (added.group_id, added.name, added.owner_id, added.last_message) == (room.group, "party", 1, 1)
    assert (await late.grab(packet_id)).answer == "ticket"
    await backend.change(room.group, 2, left=(STRANGER, 2))
    for user in (late, room.guests[0]):
        assert (await first_push(user, RemovedFromGroup)).group_id == room.group
        assert (await user.open(packet_id)).answer == "not_allowed"
    assert (await room.sender.open(packet_id)).answer == "won"
    await books_balance()


async def test_users_who_join_and_leave_by_themselves_are_not_told(
    server: Server, party: MakeParty, connect: Connect
) -> None:
    room = await party(server, 1)
    user = await connect(server, STRANGER)
    await join(user, room.group, room.sender)
    await user.leave_group(room.group)
    await room.sender._ask(messages.Ping(0), messages.Pong)
    assert not [one for one in user.pushes()._pushes if isinstance(one, AddedToGroup | RemovedFromGroup)]


async def test_backend_brings_a_kicked_member_back(server: Server, party: MakeParty, connect: Connect) -> None:
    room = await party(server, 1)
    await room.sender.remove_member(room.group, 2)
    assert await refused(join(room.guests[0], room.group, room.sender)) == "kicked"
    await Backend(await connect(server, 0)).change(room.group, 1, joined=(2,))
    assert await room.guests[0].members(room.group) == [1, 2]


async def test_large_list_is_synced_and_listed_in_pages(start_server: StartServer, connect: Connect) -> None:
    server = await start_server(limits__synced_members_max=2_500)
    backend, member = Backend(await connect(server, 0)), await connect(server, 3)
    group = await backend.put("large")
    assert await backend.sync(group, 1, *range(1, 2_501)) == (2_500, 0, 2_500)
    assert await refused(backend.sync(group, 2, *range(1, 2_502))) == "group_full"
    assert await refused(backend.change(group, 2, joined=(9_000,))) == "group_full"
    assert (await first_push(member, AddedToGroup)).group_id == group
    found: list[int] = []
    more = True
    while more:
        request = messages.ListMembers(0, group, found[-1] if found else 0)
        page = await member._ask(request, messages.Members)
        assert len(page.user_ids) == len(page.names) <= messages.MEMBERS_MAX
        found += page.user_ids
        more = page.more
    assert found == list(range(1, 2_501))


async def test_version_that_is_too_large_is_refused_and_a_fresh_start_forgets_all_versions(
    chat_backend: Backend, sql: Sql
) -> None:
    group = await chat_backend.put("room")
    for version in (2**62 + 1, 2**63 - 1):
        assert await refused(chat_backend.sync(group, version, 1)) == "bad_request"
        assert await refused(chat_backend.change(group, version, joined=(1,))) == "bad_request"
    assert await refused(chat_backend.change(group, 0, joined=(1,))) == "bad_request"
    assert await chat_backend.change(group, 2**62, joined=(1, 2)) == (2, 0, 2)
    assert await chat_backend.sync(group, 2**62, 1, 2) == (0, 0, 2)
    assert await chat_backend.sync(group, 7, 2, 3) == (0, 0, 2)  # frozen
    assert await chat_backend.sync(group, 0, 2, 3) == (1, 1, 2)
    assert await members(sql, group) == [2, 3]
    assert await chat_backend.sync(group, 0, 2, 3) == (0, 0, 2)
    assert await chat_backend.change(group, 1, joined=(4,), left=(2,)) == (1, 1, 2)
    assert await chat_backend.sync(group, 8, 1) == (1, 2, 1)
    assert await members(sql, group) == [1]


async def test_parallel_lists_of_one_group_wait_for_each_other(
    chat_backend: Backend, connect: Connect, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the database they would wait longer than a statement may take, and take all connections of the pool."""
    group = await chat_backend.put("room")
    at_store, most = 0, 0
    sync = BackendGroupStore.sync

    async def counted(self: BackendGroupStore, *change: Any) -> Any:
        nonlocal at_store, most
        at_store += 1
        most = max(most, at_store)
        try:
            return await sync(self, *change)
        finally:
            at_store -= 1

    monkeypatch.setattr(BackendGroupStore, "sync", counted)
    works = [chat_backend.sync(group, version, *range(1, 100)) for version in range(1, 13)]
    assert sum(joined for joined, _, _ in await asyncio.gather(*works)) == 99
    assert most == 1
    monkeypatch.setattr(backend_groups, "LIST_WAIT_S", 0.05)
    service = server.app.services.backend_groups
    async with service._list_turn:
        request = messages.SyncMembers(0, group, 99, [1])
        assert await refused(chat_backend._client._ask(request, messages.MembersSynced)) == "overloaded"
    assert await chat_backend.sync(group, 99, 1) == (0, 98, 1)


@pytest.mark.long
async def test_list_of_100_000_members_is_one_request(server: Server, connect: Connect) -> None:
    chat_backend = Backend(await connect(server, 0, timeout_s=60.0))
    group = await chat_backend.put("room")
    most = messages.people.SYNCED_MAX
    assert await chat_backend.sync(group, 1, *range(1, most + 1)) == (most, 0, most)
    assert await chat_backend.change(group, 2, joined=(most + 1,), left=(1,)) == (1, 1, most)
    assert await chat_backend.sync(group, 3, *range(2, most + 1)) == (0, 1, most - 1)


async def test_change_waits_for_a_list_of_another_server_that_is_recorded(
    start_server: StartServer, connect: Connect, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of the group is held for longer than a statement may take otherwise."""
    monkeypatch.setattr(app, "STORE_TIMEOUT_S", STORE_TIMEOUT_S)
    chat_backend = Backend(await connect(await start_server(), 0))
    group = await chat_backend.put("room")
    async with sql.transaction():
        await sql.execute("SELECT 1 FROM groups WHERE group_id = $1 FOR UPDATE", group)
        works = [chat_backend.sync(group, 1, 1, 2), chat_backend.change(group, 2, joined=(3,))]
        tasks = [asyncio.create_task(work) for work in works]
        await asyncio.sleep(STORE_TIMEOUT_S + 0.5)
        assert not [task for task in tasks if task.done()]
    assert [joined for joined, _, _ in await asyncio.gather(*tasks)] == [2, 1]


# --- without self-service -------------------------------------------------------------------------------------


async def test_without_self_service_users_change_no_membership(start_server: StartServer, connect: Connect) -> None:
    server = await start_server(chat__self_service=False)
    backend, user, stranger = Backend(await connect(server, 0)), await connect(server, 1), await connect(server, 2)
    group = await backend.put("room", "room", 1)
    await backend.sync(group, 1, 1, 3)
    for work in (
        user.create_group("mine"),
        user.leave_group(group),
        user.invite(group),
        user.invite(group + 1),
        stranger.join_group(group),
        stranger.join_group(0, "A" * 16),
        stranger.leave_group(group),
    ):
        assert await refused(work) == "backend_decides"
    assert (await user.join_group(group)).group_id == group  # a member already
    assert await user.members(group) == [1, 3]
    await user.remove_member(group, 3)  # the owner that the backend has named
    assert await user.members(group) == [1]


# --- history --------------------------------------------------------------------------------------------------


async def caught_up(client: Client, stream_id: int, after: int = 0) -> messages.CaughtUp:
    return await client._ask(messages.CatchUp(0, stream_id, after), messages.CaughtUp)


async def test_history_begins_at_the_latest_joining(server: Server, party: MakeParty, connect: Connect) -> None:
    room = await party(server, 1)
    user, backend = await connect(server, STRANGER), Backend(await connect(server, 0))
    await room.sender.say(room.group, "before")
    await join(user, room.group, room.sender)
    await room.sender.say(room.group, "after")
    assert [post.text for post in (await caught_up(user, room.group)).messages] == ["after"]
    await join(user, room.group, room.sender)  # a repeated join moves nothing
    assert [post.text for post in (await caught_up(user, room.group)).messages] == ["after"]
    await user.leave_group(room.group)
    await room.sender.say(room.group, "away")
    await backend.change(room.group, 1, joined=(STRANGER,))
    await backend.change(room.group, 2, joined=(STRANGER,))
    await room.sender.say(room.group, "back")
    await backend.sync(room.group, 3, 1, 2, STRANGER)
    page = await caught_up(user, room.group)
    assert ([post.text for post in page.messages], page.last_message) == (["back"], 4)
    assert [post.message for post in (await caught_up(room.guests[0], room.group)).messages] == [1, 2, 3, 4]


async def test_history_of_a_user_whom_a_whole_list_brings_back_begins_there(
    server: Server, party: MakeParty, connect: Connect
) -> None:
    room = await party(server, 1)
    user, backend = await connect(server, STRANGER), Backend(await connect(server, 0))
    await room.sender.say(room.group, "before")
    await backend.sync(room.group, 1, 1, 2, STRANGER)
    await room.sender.say(room.group, "first time")
    assert [post.text for post in (await caught_up(user, room.group)).messages] == ["first time"]
    await backend.sync(room.group, 2, 1, 2)
    await room.sender.say(room.group, "away")
    assert await refused(caught_up(user, room.group)) == "not_a_member"
    await backend.sync(room.group, 3, 1, 2, STRANGER)
    assert (await caught_up(user, room.group)).messages == []
    await room.sender.say(room.group, "back")
    page = await caught_up(user, room.group)
    assert ([post.text for post in page.messages], page.last_message) == (["back"], 4)
    assert [post.message for post in (await caught_up(room.guests[0], room.group)).messages] == [1, 2, 3, 4]


async def test_history_of_a_user_who_joins_again_begins_there(
    server: Server, party: MakeParty, connect: Connect
) -> None:
    room = await party(server, 1)
    user = await connect(server, STRANGER)
    await join(user, room.group, room.sender)
    await room.sender.say(room.group, "first time")
    assert [post.text for post in (await caught_up(user, room.group)).messages] == ["first time"]
    await user.leave_group(room.group)
    await room.sender.say(room.group, "away")
    await join(user, room.group, room.sender)
    await room.sender.say(room.group, "back")
    assert [post.text for post in (await caught_up(user, room.group)).messages] == ["back"]
