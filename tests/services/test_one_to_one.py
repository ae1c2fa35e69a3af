"""One-to-one chats: two users, a stream of texts and personal packets, for good."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from client_sim.sdk.client import Client
from protocol import messages
from protocol.messages import AddedToGroup, FinishReminder, PacketFinished, PacketPosted, TextPosted
from tests.conftest import DAY_MS, Connect, Server, StartServer, Turn
from tests.services.conftest import until
from tests.services.test_membership import caught_up, first_push, refused

BooksBalance = Callable[[], Awaitable[None]]
ANN, BEN, CARL = 1, 2, 3


async def open_chat(user: Client, other_id: int) -> messages.ChatOpened:
    return await user._ask(messages.OpenChat(0, other_id), messages.ChatOpened)


async def put_chat(backend: Client, one: int, other: int) -> int:
    return (await backend._ask(messages.PutChat(0, one, other), messages.ChatPut)).stream_id


@pytest.fixture
async def people(server: Server, connect: Connect) -> list[Client]:
    """Ann, Ben and Carl; Ann has money."""
    await (await connect(server, 0)).top_up(ANN, 10_000)
    return [await connect(server, user_id) for user_id in (ANN, BEN, CARL)]


async def test_chat_is_one_for_both_users_and_the_other_is_told(people: list[Client]) -> None:
    ann, ben, _ = people
    opened = await asyncio.gather(
        *(open_chat(ann, BEN) for _ in range(5)), *(open_chat(ben, ANN) for _ in range(5))
    )
    assert len({one.stream_id for one in opened}) == 1
    assert [one.user_id for one in opened] == [BEN] * 5 + [ANN] * 5
    told = [one for user in (ann, ben) for one in user.pushes()._pushes if isinstance(one, AddedToGroup)]
    assert len(told) == 1
    assert (told[0].group_id, told[0].owner_id in (ANN, BEN)) == (opened[0].stream_id, True)


async def test_texts_reach_the_other_user_and_no_third(
    people: list[Client], server: Server, connect: Connect
) -> None:
    ann, ben, carl = people
    chat = (await open_chat(ann, BEN)).stream_id
    assert (await first_push(ben, AddedToGroup)).owner_id == ANN
    await ann.say(chat, "hello")
    assert (await first_push(ben, TextPosted)).text == "hello"
    for work in (carl.say(chat, "me too"), carl.members(chat), caught_up(carl, chat)):
        assert await refused(work) == "not_a_member"
    assert await ben.members(chat) == [ANN, BEN]
    again = await connect(server, BEN)
    assert again.welcome is not None
    places = [(one.stream_id, one.name, one.owner_id, one.last_message) for one in again.welcome.places]
    assert (chat, "", ANN, 1) in places


async def test_chat_is_left_by_no_user_and_has_no_invite(people: list[Client]) -> None:
    ann, ben, carl = people
    chat = (await open_chat(ann, BEN)).stream_id
    assert await refused(ben.leave_group(chat)) == "bad_request"
    assert await refused(ann.invite(chat)) == "bad_request"
    assert await refused(carl.join_group(chat, "A" * 16)) == "bad_invite"
    assert await refused(ann.remove_member(chat, BEN)) == "not_owner"
    assert await refused(ann.send_packet("lucky", chat, 100, 1)) == "bad_target"


async def test_chat_with_an_unknown_or_banned_user_is_refused(
    people: list[Client], server: Server, connect: Connect
) -> None:
    ann, *_ = people
    assert await refused(open_chat(ann, 404)) == "no_such_user"
    assert await refused(open_chat(ann, ANN)) == "bad_target"
    backend = await connect(server, 0)
    await backend._ask(messages.BanUser(0, CARL), messages.UserBanned)
    assert await refused(open_chat(ann, CARL)) == "no_such_user"
    chat = await put_chat(backend, ANN, 404)  # whom the backend names exists
    assert (await open_chat(ann, 404)).stream_id == chat
    assert await put_chat(backend, 404, ANN) == chat


async def test_banned_partner_is_reached_by_no_text_and_no_packet_sent_again(
    people: list[Client], server: Server, connect: Connect, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """They are refused as a send is, also a personal packet whose posts are in the inboxes."""
    ann, ben, carl = people
    backend, chat = await connect(server, 0), (await open_chat(ann, BEN)).stream_id
    group = await ann.create_group("all")
    for user in (ben, carl):
        await user.join_group(group, await ann.invite(group))
    in_chat, in_inbox = [(await ann.send_packet("personal", place, 88)).packet_id for place in (chat, BEN)]
    posted = await sql.fetchval("SELECT count(*) FROM messages")
    await backend.ban_user(BEN)
    calls = (ann.send_packet("personal", chat, 88), ann.say(chat, "hello"))
    agains = (ann.send_again(packet_id) for packet_id in (in_chat, in_inbox))
    assert [await refused(call) for call in (*calls, *agains)] == ["no_such_user"] * 4
    assert await sql.fetchval("SELECT count(*) FROM messages") == posted
    texts = await asyncio.gather(
        *(ann.say(place, "hello") for place in (group, chat, group, chat)), return_exceptions=True
    )
    assert [isinstance(one, Exception) for one in texts] == [False, True, False, True]
    assert [one.text for one in await carl.catch_up(group, 0) if isinstance(one, TextPosted)] == ["hello"] * 2
    await backend.ban_user(BEN, banned=False)
    assert await ann.say(chat, "hello") == 2
    assert (await ann.send_again(in_chat)).message == 3


async def test_text_and_packet_of_a_sender_who_was_banned_meanwhile_are_refused(
    people: list[Client], server: Server, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """The ban is recorded, and the connection is not ended yet."""
    ann, *_ = people
    chat = (await open_chat(ann, BEN)).stream_id
    packet_id = (await ann.send_packet("personal", chat, 88)).packet_id
    await sql.execute("UPDATE users SET banned_at_ms = 5 WHERE user_id = $1", ANN)
    assert await refused(ann.say(chat, "hello")) == "banned"
    assert await refused(ann.send_again(packet_id)) == "banned"


async def test_chats_of_a_user_are_limited(start_server: StartServer, connect: Connect) -> None:
    server = await start_server(limits__groups_of_user_max=2)
    users = [await connect(server, user_id) for user_id in range(1, 6)]
    made = await asyncio.gather(*(open_chat(users[0], other) for other in range(2, 6)), return_exceptions=True)
    assert sum(not isinstance(one, Exception) for one in made) == 2


async def test_without_self_service_the_backend_alone_makes_chats(
    start_server: StartServer, connect: Connect
) -> None:
    server = await start_server(chat__self_service=False)
    ann, ben, backend = [await connect(server, user_id) for user_id in (ANN, BEN, 0)]
    assert await refused(open_chat(ann, BEN)) == "backend_decides"
    chat = await put_chat(backend, ANN, BEN)
    assert [(await first_push(user, AddedToGroup)).owner_id for user in (ann, ben)] == [BEN, ANN]
    assert await ben.say(chat, "hello") == 1


async def test_without_texts_users_say_none_and_packets_are_posted(
    start_server: StartServer, connect: Connect
) -> None:
    server = await start_server(chat__texts=False)
    ann, ben = [await connect(server, user_id) for user_id in (ANN, BEN)]
    chat = (await open_chat(ann, BEN)).stream_id
    assert await refused(ben.say(chat, "hello")) == "backend_decides"
    assert await ann.catch_up(chat, 0) == []


async def test_personal_packet_is_posted_and_finished_in_the_chat(
    people: list[Client], sql: asyncpg.Connection[asyncpg.Record], books_balance: BooksBalance
) -> None:
    ann, ben, carl = people
    chat = (await open_chat(ann, BEN)).stream_id
    sent = await ann.send_packet("personal", chat, 88, key="k")
    posted = await first_push(ben, PacketPosted)
    assert (posted.stream_id, posted.message, posted.packet_id) == (chat, 1, sent.packet_id)
    assert (await ann.send_packet("personal", chat, 88, key="k")).packet_id == sent.packet_id
    assert (
        await refused(ann.send_packet("personal", BEN, 88, key="k")) == "key_reused"
    )  # elsewhere: another content
    again = await ann.send_again(sent.packet_id)
    assert (again.stream_id, again.message) == (chat, 2)
    assert [(await user.open(sent.packet_id)).answer for user in (ann, carl, ben)] == ["not_allowed"] * 2 + ["won"]
    assert (await first_push(ann, PacketFinished)).stream_id == chat

    async def told() -> bool:
        rows = await sql.fetch("SELECT stream_id FROM messages WHERE reminder = 2 ORDER BY 1")
        return [row[0] for row in rows] == [ANN, chat]

    await until(told)
    page = await caught_up(ben, chat)
    assert [type(one) for one in page.messages] == [PacketPosted, PacketPosted, FinishReminder]
    assert (await caught_up(ben, BEN)).messages == []
    await books_balance()


async def test_personal_packet_of_a_chat_survives_a_restart_and_is_refunded_to_its_sender(
    start_server: StartServer, connect: Connect, turn_clock: Turn, books_balance: BooksBalance
) -> None:
    server = await start_server()
    await (await connect(server, 0)).top_up(ANN, 10_000)
    ann, ben = await connect(server, ANN), await connect(server, BEN)
    chat = (await open_chat(ann, BEN)).stream_id
    packets = [(await ann.send_packet("personal", chat, 88)).packet_id for _ in range(2)]
    await server.stop()
    server = await start_server()
    ann, ben = await connect(server, ANN), await connect(server, BEN)
    assert (await ben.open(packets[0])).answer == "won"
    assert (await first_push(ben, PacketFinished)).stream_id == chat
    turn_clock(DAY_MS)

    async def is_back() -> bool:
        return await ann.balance() == 10_000 - 88

    await until(is_back)
    await books_balance()


async def test_packet_to_a_chat_that_the_sender_is_not_in_is_refused(people: list[Client]) -> None:
    ann, ben, _ = people
    chat = (await open_chat(ben, CARL)).stream_id
    assert await refused(ann.send_packet("personal", chat, 88)) == "not_a_member"
    assert await refused(ann.send_packet("personal", chat + 1, 88)) == "not_a_member"
    group = await ann.create_group("group")
    assert await refused(ann.send_packet("personal", group, 88)) == "bad_target"
