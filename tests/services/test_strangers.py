"""A stranger's request makes the server do the same whether the group exists or not: else its time would tell."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from protocol import messages
from storage.errors import StoreUnavailable
from storage.postgres.chat.memberships import MembershipStore, Recorded
from storage.postgres.database import Database
from tests.conftest import Connect, Server
from tests.services.conftest import MakeParty
from tests.services.test_membership import STRANGER, refused

ABOUT_GROUPS: Final = re.compile(r"\b(groups|memberships|users)\b")


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that pooled connections execute from now on."""
    executed: list[str] = []
    reading = Database.reading

    def note(record: Any) -> None:
        query = re.sub(r"\s+", " ", record.query)
        if ABOUT_GROUPS.search(query):  # not those of loops in the background
            executed.append(query)

    @asynccontextmanager
    async def noted(self: Database) -> AsyncIterator[Any]:
        async with reading(self) as connection:
            with connection.query_logger(note):
                yield connection

    monkeypatch.setattr(Database, "reading", noted)
    return executed


async def test_request_does_the_same_whether_the_group_exists_or_not(
    server: Server, party: MakeParty, connect: Connect, statements: list[str]
) -> None:
    room = await party(server, 1)
    stranger = await connect(server, STRANGER)
    code = "A" * 16

    def works(group: int) -> dict[str, Any]:
        return {
            "members": stranger.members(group),
            "invite": stranger.invite(group),
            "kick": stranger.remove_member(group, 1),
            "stats": stranger.grab_stats(group),
            "say": stranger.say(group, "hello"),
            "catch up": stranger.catch_up(group, 0),
            "send": stranger.send_packet("lucky", group, 100, 2, key="a key"),
            "join": stranger.join_group(group, code),
            "leave": stranger.leave_group(group),
        }

    executed: dict[int, dict[str, list[str]]] = {}
    for group in (room.group, room.group + 1):
        executed[group] = {}
        for name, work in works(group).items():
            statements.clear()
            if name == "leave":
                await work
            else:
                assert await refused(work) == ("bad_invite" if name == "join" else "not_a_member"), name
            executed[group][name] = list(statements)
    assert executed[room.group] == executed[room.group + 1]
    assert all(executed[room.group].values())
    assert not [one for one in executed[room.group]["leave"] if "FROM groups" in one]


async def test_member_is_found_without_a_statement(server: Server, party: MakeParty, statements: list[str]) -> None:
    room = await party(server, 1)
    await room.guests[0].members(room.group)
    statements.clear()
    assert await refused(room.guests[0].invite(room.group + 1)) == "not_a_member"
    assert len(statements) == 1
    await room.guests[0].members(room.group)
    assert [
        one for one in statements[1:] if "avatar_url" not in one
    ] == []  # pictures are of the list, not the door


async def test_joining_whose_outcome_is_unknown_is_read_again(
    server: Server, party: MakeParty, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit was made and its reply lost; memory has not heard of it."""
    room = await party(server, 1)
    stranger = await connect(server, STRANGER)
    code = await room.sender.invite(room.group)
    join = MembershipStore.join

    async def lost(self: MembershipStore, *change: Any) -> Recorded:
        await join(self, *change)
        raise StoreUnavailable("the reply was lost")

    changes = server.app.services.changes
    monkeypatch.setattr(MembershipStore, "join", lost)
    monkeypatch.setitem(changes._follows, "group", [])  # the notification is late
    request = messages.JoinGroup(0, room.group, code)
    assert await refused(stranger._ask(request, messages.GroupJoined)) == "store_unavailable"
    assert STRANGER in await stranger.members(room.group)
    await stranger.leave_group(room.group)
    assert await refused(stranger.members(room.group)) == "not_a_member"
