"""The relay of a group (接龙): the user with the best luck is reminded to send the next packet. No money moves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg
import pytest

from client_sim.sdk import transport
from client_sim.sdk.errors import BackendDecides, NoSuchGroup, NotAMember, NotOwner, Refusal
from protocol import messages
from server.core.decisions import Claim
from storage.postgres.chat.outbox import OutboxStore, ReminderKind
from storage.postgres.chat.relays import RelayStore, TurnAfter, TurnRow
from storage.postgres.database import Database
from tests.cases import each
from tests.conftest import Connect, Server, StartServer
from tests.joining import join
from tests.services.books import ALL, GROUP, NOW_MS, Books
from tests.services.conftest import MakeParty, Party
from tests.services.test_membership import first_push
from tests.services.test_outbox import posted
from tests.services.test_reminders import received
from tests.services.test_resends import push_of

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BooksBalance: TypeAlias = Callable[[], Awaitable[None]]


@pytest.fixture
async def room(server: Server, party: MakeParty) -> Party:
    """A sender, who owns the group, and three guests."""
    return await party(server, 3)


def best_of(opened: list[messages.Opened]) -> messages.Opened:
    """The largest share, the earliest on a tie."""
    return max(opened, key=lambda one: (one.amount_fen, -one.index))


async def turns(sql: Sql) -> list[tuple[int, int, int]]:
    """What is recorded: group, user, times."""
    return [tuple(row) for row in await sql.fetch("SELECT group_id, user_id, times FROM relays ORDER BY packet_id")]


async def test_every_member_is_told_whose_turn_it_is_and_how_much(room: Party, books_balance: BooksBalance) -> None:
    await room.sender.set_relay(room.group, 2)
    packet_id = await room.lucky(900, 3)
    opened = await room.all_open(packet_id)
    best = best_of(opened)
    winner = room.guests[opened.index(best)].user_id
    for client in (room.sender, *room.guests):
        turn = await first_push(client, messages.RelayPosted)
        assert (turn.stream_id, turn.packet_id, turn.user_id) == (room.group, packet_id, winner)
        assert (turn.times, turn.amount_fen, turn.shares) == (2, 2 * best.amount_fen, 3)
    assert await room.sender.balance() == 100_000 - 900
    await books_balance()


async def test_next_packet_that_the_reminder_names_can_be_sent_as_it_is(
    room: Party, connect: Connect, books_balance: BooksBalance
) -> None:
    await room.sender.set_relay(room.group, 3)
    await room.all_open(await room.lucky(900, 3))
    turn = await first_push(room.sender, messages.RelayPosted)
    winner = next(one for one in room.guests if one.user_id == turn.user_id)
    await (await connect(room.server, 0)).top_up(winner.user_id, turn.amount_fen)
    sent = await winner.send_packet("lucky", room.group, turn.amount_fen, turn.shares)
    await room.all_open(sent.packet_id)
    following = await first_push(room.sender, messages.RelayPosted)
    assert following.packet_id == sent.packet_id
    await books_balance()


async def test_group_has_no_relay_unless_it_was_set(room: Party, sql: Sql) -> None:
    assert await room.guests[0].relay(room.group) == 0
    await room.all_open(await room.lucky(900, 3))
    await posted(sql)
    assert await turns(sql) == []
    assert await sql.fetchval("SELECT count(*) FROM messages WHERE reminder = 4") == 0


async def test_relay_that_was_switched_off_reminds_no_more(room: Party, sql: Sql) -> None:
    await room.sender.set_relay(room.group, 1)
    await room.sender.set_relay(room.group, 0)
    assert await room.guests[0].relay(room.group) == 0
    await room.all_open(await room.lucky(900, 3))
    await posted(sql)
    assert await turns(sql) == []


async def test_user_who_was_away_finds_the_reminder_in_the_group_once(
    room: Party, sql: Sql, connect: Connect
) -> None:
    await room.sender.set_relay(room.group, 1)
    opened = await room.all_open(packet_id := await room.lucky(900, 3))
    winner = room.guests[opened.index(best_of(opened))]
    await winner.close()
    await posted(sql)
    back = await connect(room.server, winner.user_id, positions={room.group: 0})
    (turn,) = await received(back, 1, messages.RelayPosted)
    assert (turn.packet_id, turn.user_id, turn.amount_fen) == (
        packet_id,
        winner.user_id,
        best_of(opened).amount_fen,
    )
    history = await back.catch_up(room.group, 0)
    assert isinstance(history, list)
    assert [one for one in history if isinstance(one, messages.RelayPosted)] == [turn]


async def test_reminder_keeps_the_rule_of_its_moment(room: Party, sql: Sql, connect: Connect) -> None:
    await room.sender.set_relay(room.group, 3)
    opened = await room.all_open(await room.lucky(900, 3))
    await posted(sql)
    await room.sender.set_relay(room.group, 1)
    late = await connect(room.server, room.guests[0].user_id, positions={room.group: 0})
    (turn,) = await received(late, 1, messages.RelayPosted)
    assert (turn.times, turn.amount_fen) == (3, 3 * best_of(opened).amount_fen)


async def test_password_packets_have_a_relay_and_equal_ones_have_none(room: Party, sql: Sql) -> None:
    await room.sender.set_relay(room.group, 1)
    equal = (await room.sender.send_packet("equal", room.group, 100, 3)).packet_id
    await room.all_open(equal)
    await posted(sql)
    assert await turns(sql) == []
    secret = (await room.sender.send_packet("password", room.group, 900, 1, words="sesame")).packet_id
    await room.guests[0].open(secret, words="sesame")
    turn = await first_push(room.sender, messages.RelayPosted)
    assert (turn.packet_id, turn.user_id, turn.amount_fen, turn.shares) == (secret, 2, 900, 1)


async def test_packet_in_two_groups_has_one_turn_in_the_group_that_has_the_relay(
    room: Party, connect: Connect, sql: Sql
) -> None:
    other = await connect(room.server, 800)
    second = await room.sender.create_group("second")
    await join(other, second, room.sender)
    await room.sender.set_relay(second, 1)
    packet_id = await room.lucky(500, 1)
    await room.sender.send_again(packet_id, second)
    await other.open(packet_id)
    turn = await push_of(other, messages.RelayPosted, second)
    assert (turn.packet_id, turn.user_id) == (packet_id, 800)
    await posted(sql)
    assert await turns(sql) == [(second, 800, 1)]


async def test_packet_in_two_groups_with_a_relay_has_one_turn_where_it_was_sent(
    room: Party, connect: Connect, sql: Sql
) -> None:
    second = await room.sender.create_group("second")
    await join(room.guests[0], second, room.sender)
    for group, times in ((second, 3), (room.group, 2)):
        await room.sender.set_relay(group, times)
    packet_id = await room.lucky(500, 1)
    await room.sender.send_again(packet_id, second)
    await room.guests[0].open(packet_id)
    await first_push(room.sender, messages.RelayPosted)
    assert await turns(sql) == [(room.group, room.guests[0].user_id, 2)]


async def test_result_page_says_whose_turn_it_is_in_the_language_of_the_viewer(room: Party, sql: Sql) -> None:
    names = {one.user_id: f"guest {one.user_id}" for one in room.guests}
    await room.server.app.services.people.put(names)
    await room.sender.set_relay(room.group, 2)
    packet_id = await room.lucky(900, 3)
    opened = await room.all_open(packet_id)
    await posted(sql)
    best = best_of(opened)
    winner = room.guests[opened.index(best)]
    other = next(one for one in room.guests if one is not winner)
    yuan = f"{2 * best.amount_fen / 100:.2f}"
    for viewer, language, said in (
        (winner, "zh", f"接龙：轮到你发下一个红包，{yuan}元"),
        (winner, "en", f"Your turn: send the next red packet, {yuan} yuan"),
        (other, "zh", f"接龙：轮到手气最佳发下一个红包，{yuan}元"),
        (room.sender, "en", f"Best luck sends on: the next red packet is to be {yuan} yuan"),
    ):
        page = (await viewer.result_page(packet_id, language)).page
        assert (page.turn, page.turn_user_id, page.turn_name) == (
            said,
            winner.user_id,
            names[winner.user_id],
        )


async def test_result_page_says_no_turn_before_it_is_recorded_and_then_says_it(room: Party, sql: Sql) -> None:
    """The settlement is held up by a lock of the table in which it records the best luck."""
    await room.sender.set_relay(room.group, 1)
    packet_id = await room.lucky(100, 1)
    lock = sql.transaction()
    await lock.start()
    await sql.execute("LOCK TABLE best_lucks IN SHARE MODE")
    await room.guests[0].open(packet_id)
    page = (await room.sender.result_page(packet_id, "en")).page
    assert (page.state, page.turn, page.turn_user_id, page.turn_name) == ("finished", "", 0, "")
    await lock.rollback()
    await posted(sql)
    assert (await room.sender.result_page(packet_id, "en")).page.turn_user_id == room.guests[0].user_id


async def test_result_page_of_a_packet_without_a_turn_reads_that_once(
    room: Party, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    packet_id = await room.lucky(100, 1)
    await room.guests[0].open(packet_id)
    await posted(sql)
    assert (await room.sender.result_page(packet_id, "zh")).page.turn == ""

    async def is_asked(store: RelayStore, packet_ids: object) -> None:
        raise AssertionError(packet_ids)

    monkeypatch.setattr(RelayStore, "turns_after", is_asked)
    assert (await room.guests[0].result_page(packet_id, "zh")).page.turn == ""


async def test_turn_in_another_group_is_shown_to_its_members_alone(room: Party, connect: Connect, sql: Sql) -> None:
    other = await connect(room.server, 800)
    second = await room.sender.create_group("second")
    await join(other, second, room.sender)
    await room.sender.set_relay(second, 1)
    packet_id = await room.lucky(500, 1)
    await room.sender.send_again(packet_id, second)
    await other.open(packet_id)
    await posted(sql)
    viewers = other, room.sender, room.guests[0]
    shown = [(await one.result_page(packet_id, "zh")).page.turn_user_id for one in viewers]
    assert shown == [800, 800, 0]


# --- who may set it -------------------------------------------------------------------------------------------


async def test_owner_and_backend_set_the_relay_and_others_do_not(room: Party, connect: Connect) -> None:
    backend, stranger = await connect(room.server, 0), await connect(room.server, 900)
    with pytest.raises(NotOwner):
        await room.guests[0].set_relay(room.group, 1)
    with pytest.raises(NotAMember):
        await stranger.set_relay(room.group, 1)
    with pytest.raises(NotAMember):
        await stranger.relay(room.group)
    await backend.set_relay(room.group, 3)
    assert [await one.relay(room.group) for one in (backend, room.sender, room.guests[0])] == [3, 3, 3]
    for wrong in (backend.set_relay(2**53, 1), backend.relay(2**53)):
        with pytest.raises(NoSuchGroup):
            await wrong


@each("times", [-1, 4])
async def test_relay_of_other_times_is_refused_with_the_field(room: Party, times: int) -> None:
    with pytest.raises(Refusal) as refused:
        await room.sender.set_relay(room.group, times)
    assert (refused.value.name, refused.value.detail.split(":")[0]) == ("bad_request", "times")


async def test_one_to_one_chat_has_no_relay(room: Party, connect: Connect) -> None:
    chat = (await room.sender.open_chat(2)).stream_id
    with pytest.raises(Refusal) as refused:
        await (await connect(room.server, 0)).set_relay(chat, 1)
    assert refused.value.detail.startswith("group_id: ")


async def test_deleted_group_has_no_relay(room: Party, connect: Connect) -> None:
    backend = await connect(room.server, 0)
    group = await backend.put_group("room-1", "room")
    await backend.set_relay(group, 1)
    await backend.delete_group("room-1")
    for wrong in (backend.set_relay(group, 1), backend.relay(group)):
        with pytest.raises(NoSuchGroup):
            await wrong


async def test_without_self_service_the_backend_alone_sets_the_relay(
    start_server: StartServer, connect: Connect
) -> None:
    server = await start_server(chat__self_service=False)
    backend, owner = await connect(server, 0), await connect(server, 7)
    group = await backend.put_group("room-1", "room", 7)
    await backend.change_members(group, 1, joined=[7])
    with pytest.raises(BackendDecides):
        await owner.set_relay(group, 1)
    await backend.set_relay(group, 1)
    assert await owner.relay(group) == 1


async def test_client_without_the_feature_reads_the_turn_as_a_text(
    room: Party, connect: Connect, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.sender.set_relay(room.group, 2)
    await room.guests[0].open(await room.lucky(888, 1))
    await posted(sql)
    monkeypatch.setattr(transport, "FEATURES", (messages.REMINDERS,))
    old = await connect(room.server, 3)
    page = await old._ask(messages.CatchUp(0, room.group, 0), messages.CaughtUp)
    assert [type(one) for one in page.messages[1:]] == [messages.FinishReminder, messages.TextPosted]
    text = page.messages[-1]
    assert isinstance(text, messages.TextPosted)
    assert (text.sender_id, text.text) == (0, "红包接龙：轮到手气最佳的用户2发下一个红包，17.76元")


# --- the store ------------------------------------------------------------------------------------------------


async def finished(books: Books, database: Database) -> tuple[int, Claim]:
    """A packet of three shares in a group with a relay of 2, opened by users 2 to 4; its id, its best luck."""
    assert await RelayStore(database).put(GROUP, 2)
    packet = await books.sent(NOW_MS, 900, 3)
    claims = await books.open(packet, (2, 3, 4), NOW_MS + 1)
    return packet.packet_id, max(claims, key=lambda one: (one.amount_fen, -one.index))


async def test_turn_is_recorded_with_the_best_luck_and_posted_behind_the_finish(
    books: Books, database: Database, sql: Sql
) -> None:
    packet_id, best = await finished(books, database)
    await books.settlement.settle(ALL, NOW_MS + 2)
    assert await RelayStore(database).turns([packet_id]) == {packet_id: TurnRow(best.user_id, 2, best.amount_fen)}
    assert await sql.fetchval("SELECT user_id FROM best_lucks WHERE packet_id = $1", packet_id) == best.user_id
    posts = await OutboxStore(database).post(ALL)
    in_group = [(one.message, one.reminder, one.at_ms) for one in posts if one.stream_id == GROUP]
    assert in_group == [(1, ReminderKind.FINISH, NOW_MS + 2), (2, ReminderKind.RELAY, NOW_MS + 2)]


async def test_turn_is_recorded_once_although_its_claims_are_settled_one_by_one(
    books: Books, database: Database, sql: Sql
) -> None:
    packet_id, _ = await finished(books, database)
    for n in range(3):
        await books.settlement.settle(1, NOW_MS + 2 + n)
    posts = await OutboxStore(database).post(ALL)
    assert [one.packet_id for one in posts if one.reminder == ReminderKind.RELAY] == [packet_id]
    assert len(await turns(sql)) == 1


async def test_member_who_left_before_the_credit_gets_no_turn(books: Books, database: Database, sql: Sql) -> None:
    await finished(books, database)
    await sql.execute("UPDATE memberships SET left_at_ms = 1 WHERE group_id = $1 AND user_id > 1", GROUP)
    await books.settlement.settle(ALL, NOW_MS + 2)
    assert await turns(sql) == []
    assert await sql.fetchval("SELECT count(*) FROM best_lucks") == 1


async def test_turn_is_known_only_with_the_best_luck_and_then_for_good(books: Books, database: Database) -> None:
    store = RelayStore(database)
    packet_id, best = await finished(books, database)
    plain = await books.sent(NOW_MS, 300, 1)
    assert await store.turns_after([packet_id, plain.packet_id]) == {}
    await books.settlement.settle(ALL, NOW_MS + 2)
    assert await store.turns_after([packet_id, plain.packet_id]) == {
        packet_id: TurnAfter(GROUP, best.user_id, 2, best.amount_fen)
    }
    await store.put(GROUP, 0)
    await books.open(plain, (3,), NOW_MS + 3)
    await books.settlement.settle(ALL, NOW_MS + 4)
    assert await store.turns_after([plain.packet_id]) == {plain.packet_id: None}


async def test_unfinished_packet_has_no_turn(books: Books, database: Database, sql: Sql) -> None:
    assert await RelayStore(database).put(GROUP, 1)
    packet = await books.sent(NOW_MS, 900, 3)
    await books.open(packet, (2, 3), NOW_MS + 1)
    await books.settlement.settle(ALL, NOW_MS + 2)
    assert await turns(sql) == []
