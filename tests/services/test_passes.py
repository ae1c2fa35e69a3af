"""Groups without a member list: a user is in while a pass that the chat backend signed is valid."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import Refusal
from protocol import messages, passes, tokens
from protocol.messages import PacketPosted, RemovedFromGroup
from tests.conftest import KEYS, Connect, Server, StartServer, Turn, TurnedClock
from tests.services.conftest import until
from tests.services.test_membership import Backend, first_push, refused
from tests.services.test_people import NOW_S, issued_at

BooksBalance = Callable[[], Awaitable[None]]
SENDER, READER, STRANGER = 1, 2, 3


def signed(
    server: Server,
    group: int,
    user: int,
    lasts_s: int = 600,
    key: bytes = KEYS["test"],
    issued_s: int | None = None,
) -> str:
    """A pass for a user, by the clock of the server; `issued_s`: made so much later, else without a time."""
    now_s = server.app.services.messages._now_ms() // 1000
    return str(passes.mint(group, user, now_s + lasts_s, "test", key, 0 if issued_s is None else now_s + issued_s))


async def show(user: Client, text: str) -> messages.PassShown:
    return await user._ask(messages.ShowPass(0, text), messages.PassShown)


@pytest.fixture
async def room(server: Server, connect: Connect) -> tuple[int, Client, Client, Client]:
    """The group, and three users; the sender has money."""
    backend = await connect(server, 0)
    await backend.top_up(SENDER, 10_000)
    group = await Backend(backend).put("signed", "signed", 0, "signature")
    sender, reader, stranger = [await connect(server, user_id) for user_id in (SENDER, READER, STRANGER)]
    return group, sender, reader, stranger


async def test_users_with_a_pass_send_open_and_are_told(
    server: Server, room: tuple[int, Client, Client, Client], books_balance: BooksBalance
) -> None:
    group, sender, reader, stranger = room
    assert await refused(sender.send_packet("lucky", group, 100, 5)) == "not_a_member"
    shown = await show(sender, signed(server, group, SENDER))
    assert shown.group_id == group
    await show(reader, signed(server, group, READER))
    packet = (await sender.send_packet("lucky", group, 100, 5)).packet_id  # more shares than have shown a pass
    assert (await first_push(reader, PacketPosted)).packet_id == packet
    assert [(await user.open(packet)).answer for user in (sender, reader, stranger)] == [
        "won",
        "won",
        "not_allowed",
    ]
    assert await reader.members(group) == [SENDER, READER]
    assert not [one for one in stranger.pushes()._pushes if isinstance(one, PacketPosted)]
    await show(stranger, signed(server, group, STRANGER))
    assert (await stranger.open(packet)).answer == "won"
    await books_balance()


async def test_pass_that_is_not_good_is_refused(server: Server, room: tuple[int, Client, Client, Client]) -> None:
    group, _, reader, _ = room
    members_only = await reader.create_group("members")
    good = signed(server, group, READER)
    token = str(tokens.mint(READER, int(good.split(".")[2]), "test", KEYS["test"]))
    for text in (
        signed(server, group, SENDER),  # of another user
        signed(server, group, READER, key=b"another key"),
        signed(server, group, READER, lasts_s=0),
        signed(server, group, READER, lasts_s=86_400 + 60),
        signed(server, group + 1, READER),  # no such group
        signed(server, members_only, READER),
        good.replace(".test.", ".other."),
        good.replace(str(group), str(group + 1)),
        good[:-1],
        f"{group}.{token}",  # the signature of a token is none of a pass
        "",
        "a.b.c",
        signed(server, 2**63, READER),
        signed(server, 2**200, READER),
        good.replace(f".{READER}.", f".+{READER}."),
        good.replace(f".{READER}.", f".0{READER}."),
        good.replace(f".{READER}.", ".\u0662."),
        signed(server, group, READER, issued_s=90),  # 60 s are allowed; a busy machine may need some
        signed(server, group, READER, issued_s=-86_400),  # lasts more than a day in all
    ):
        assert await refused(show(reader, text)) == "bad_pass", text
    assert await refused(reader.say(group, "hello")) == "not_a_member"
    await show(reader, good)
    await reader.say(group, "hello")


async def test_pass_ends_at_its_time(
    server: Server, room: tuple[int, Client, Client, Client], turn_clock: Turn
) -> None:
    group, sender, reader, _ = room
    await show(sender, signed(server, group, SENDER, 500))
    await show(reader, signed(server, group, READER, 60))
    packet = (await sender.send_packet("lucky", group, 100, 2)).packet_id
    assert (await reader.grab(packet)).answer == "ticket"
    await show(sender, signed(server, group, SENDER, 30))  # without times of issue the longer one holds
    turn_clock(61_000)

    async def is_out() -> bool:
        return (await reader.grab(packet)).answer == "not_allowed"

    await until(is_out)
    assert await refused(reader.say(group, "hello")) == "not_a_member"
    assert (await sender.grab(packet)).answer == "ticket"
    await show(reader, signed(server, group, READER, 60))
    assert (await reader.open(packet)).answer == "won"


async def test_group_without_a_list_takes_no_members(server: Server, connect: Connect) -> None:
    backend = Backend(await connect(server, 0))
    group = await backend.put("signed", "signed", 0, "signature")
    assert await refused(backend.sync(group, 1, READER)) == "bad_request"
    assert await refused(backend.change(group, 1, joined=(READER,))) == "bad_request"


async def test_pass_holds_on_the_server_where_it_was_shown(start_server: StartServer, connect: Connect) -> None:
    first, second = [await start_server(server__node=node) for node in range(2)]
    group = await Backend(await connect(first, 0)).put("signed", "signed", 0, "signature")
    here, there = await connect(first, READER), await connect(second, READER)
    await show(here, signed(first, group, READER))
    with pytest.raises(Refusal, match="not_a_member"):
        await there.say(group, "hello")
    await show(there, signed(first, group, READER))
    await there.say(group, "hello")


async def test_newest_pass_decides_also_if_it_ends_sooner(
    server: Server, room: tuple[int, Client, Client, Client], turn_clock: Turn
) -> None:
    group, _, reader, _ = room
    longer, shorter = [
        signed(server, group, READER, lasts_s, issued_s=issued_s) for lasts_s, issued_s in ((600, 0), (30, 1))
    ]
    without = signed(server, group, READER, 900)
    await show(reader, longer)
    ends_at_s = (await show(reader, shorter)).expires_at_s
    for older in (longer, without):
        assert (await show(reader, older)).expires_at_s == ends_at_s
    turn_clock(31_000)

    server.app.services.passes.expire()
    assert await refused(reader.say(group, "hello")) == "not_a_member"
    assert [await refused(show(reader, older)) for older in (longer, without)] == ["bad_pass"] * 2
    await show(reader, signed(server, group, READER, issued_s=0))


async def test_revoked_tokens_end_the_passes_issued_before(
    server: Server, connect: Connect, start_server: StartServer, server_clock: TurnedClock
) -> None:
    server_clock.stopped_ms = NOW_S * 1000
    there = await start_server(server__node=1)
    backend = await connect(server, 0)
    group = await Backend(backend).put("signed", "signed", 0, "signature")
    other_key = issued_at(READER, NOW_S + 1)
    async with Client(there.url, other_key) as reader:
        old, older, newer = [signed(there, group, READER, issued_s=s) for s in (0, None, 1)]
        await show(reader, older)
        await show(reader, old)
        await reader.say(group, "hello")
        await backend.revoke_tokens(READER)
        assert await refused(reader.say(group, "hello")) == "not_a_member"
        assert [await refused(show(reader, text)) for text in (old, older)] == ["bad_pass"] * 2
        await show(reader, newer)
        await reader.say(group, "hello")
        await backend.ban_user(READER)
    await backend.ban_user(READER, banned=False)
    async with Client(there.url, other_key) as reader:
        assert await refused(reader.say(group, "hello")) == "not_a_member"


async def test_backend_ends_the_passes_of_a_user_on_all_servers(
    server: Server, connect: Connect, start_server: StartServer, server_clock: TurnedClock
) -> None:
    server_clock.stopped_ms = NOW_S * 1000
    there = await start_server(server__node=1)
    backend = Backend(await connect(server, 0))
    group = await backend.put("signed", "signed", 0, "signature")
    sender, reader = await connect(server, SENDER), await connect(there, READER)
    old, newer = [signed(there, group, READER, issued_s=issued_s) for issued_s in (0, 1)]
    await show(sender, signed(server, group, SENDER, issued_s=0))
    await show(reader, old)
    assert await backend.change(group, 5, left=(READER,)) == (0, 1, 0)
    assert (await first_push(reader, RemovedFromGroup)).group_id == group
    assert await refused(reader.say(group, "hello")) == "not_a_member"
    assert [await refused(show(reader, text)) for text in (old, signed(there, group, READER))] == ["bad_pass"] * 2
    await sender.say(group, "hello")
    await show(reader, newer)
    assert await backend.change(group, 5, left=(READER,)) == (0, 0, 0)  # the same call again
    await reader.say(group, "hello")
    assert await backend.change(group, 6, left=(READER,)) == (0, 1, 0)
    assert await refused(reader.say(group, "hello")) == "not_a_member"


async def test_owner_cannot_end_a_pass_and_a_user_can_leave_by_themself(server: Server, connect: Connect) -> None:
    backend = Backend(await connect(server, 0))
    group = await backend.put("signed", "signed", SENDER, "signature")
    owner, reader = await connect(server, SENDER), await connect(server, READER)
    await show(owner, signed(server, group, SENDER))
    await show(reader, signed(server, group, READER))
    assert await refused(owner.remove_member(group, READER)) == "bad_target"
    await reader.leave_group(group)
    assert await refused(reader.say(group, "hello")) == "not_a_member"
    await owner.say(group, "hello")
