"""Exclusive packets (专属红包): users who are named open one share each, others see for whom it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg
import pytest

from client_sim.sdk import transport
from client_sim.sdk.client import Client
from client_sim.sdk.errors import BadShares, KeyReused, NotAllowed, NotFinished, Refusal
from client_sim.sdk.methods.everyday_errors import BadReceivers
from protocol import messages
from server.services.money.audit import audit
from storage.postgres.database import Database
from tests.cases import each
from tests.conftest import DAY_MS, SEED_KEYS, Connect, Server, StartServer, Turn
from tests.services.conftest import SENDER, MakeParty, Party, until
from tests.services.test_membership import first_push

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BooksBalance = Callable[[], Awaitable[None]]
ANNA, BEN, CARLA = 2, 3, 4  # the guests of a party of three


@pytest.fixture
async def room(server: Server, party: MakeParty) -> Party:
    """A sender and three guests."""
    return await party(server, 3)


async def exclusive(room: Party, *user_ids: int, each_fen: int = 100, **options: object) -> int:
    """A packet for these; its id."""
    sent = await room.sender.send_packet("exclusive", room.group, each_fen, for_user_ids=user_ids, **options)  # type: ignore[arg-type]
    return sent.packet_id


async def test_named_users_alone_open_one_share_each(room: Party, books_balance: BooksBalance) -> None:
    packet_id = await exclusive(room, ANNA, BEN)
    assert await room.sender.balance() == 100_000 - 200
    opened = await room.all_open(packet_id)
    assert [(one.answer, one.amount_fen) for one in opened] == [("won", 100), ("won", 100), ("not_allowed", 0)]
    assert (await room.sender.open(packet_id)).answer == "not_allowed"
    await books_balance()


async def test_chat_says_for_whom_the_packet_is(room: Party) -> None:
    await exclusive(room, BEN, ANNA)
    posted = await first_push(room.guests[2], messages.PacketPosted)
    assert (posted.packet_kind, posted.shares, posted.for_user_ids) == ("exclusive", 2, [ANNA, BEN])


async def test_post_and_page_name_the_first_ten_users(server: Server, party: MakeParty) -> None:
    room = await party(server, 12)
    packet_id = await exclusive(room, *range(2, 13))
    posted = await first_push(room.guests[11], messages.PacketPosted)
    assert (posted.shares, posted.for_user_ids) == (11, list(range(2, 12)))
    assert (await room.guests[11].open_page(packet_id)).for_user_ids == list(range(2, 12))


@each(
    ("language", "line"),
    [("zh", "这是专属红包，只有指定的2个人可以领取"), ("en", "Only for 2 other people")],
)
async def test_page_of_a_member_who_is_not_named_says_for_whom_it_is(room: Party, language: str, line: str) -> None:
    packet_id = await exclusive(room, ANNA, BEN)
    await room.guests[0].set_name("Anna")
    page = await room.guests[2].open_page(packet_id, language)
    assert (page.answer, page.view, page.line) == ("not_allowed", "for_others", line)
    assert (page.for_user_ids, page.for_names) == ([ANNA, BEN], ["Anna", ""])
    assert (page.sender_id, page.button, page.link, page.ticket) == (SENDER, "", "", 0)
    with pytest.raises(NotAllowed):
        await room.guests[2].result_page(packet_id)


async def test_page_of_a_stranger_is_that_of_a_packet_that_does_not_exist(room: Party, connect: Connect) -> None:
    packet_id = await exclusive(room, ANNA)
    stranger = await connect(room.server, 9)
    page, none = await stranger.open_page(packet_id), await stranger.open_page(packet_id + 1)
    assert (page.answer, page.view, page.for_user_ids, page.sender_id) == ("not_allowed", "", [], 0)
    page.packet_id, page.seq = none.packet_id, none.seq
    assert page == none


async def test_named_user_has_the_open_page_and_sender_the_result(room: Party) -> None:
    packet_id = await exclusive(room, ANNA)
    page = await room.guests[0].open_page(packet_id, "en")
    assert (page.answer, page.view, page.for_user_ids) == ("ticket", "open", [ANNA])
    mine = await room.sender.open_page(packet_id, "en")
    assert (mine.answer, mine.view) == ("not_allowed", "result")
    assert mine.result is not None
    assert (mine.result.summary, mine.result.button) == (
        "1.00 yuan, waiting to be opened",
        "Send this red packet again",
    )


async def test_share_of_a_user_who_left_comes_back_at_expiry(
    start_server: StartServer, party: MakeParty, books_balance: BooksBalance, turn_clock: Turn
) -> None:
    server = await start_server(refunds__interval_s=0.05)
    room = await party(server, 3)
    packet_id = await exclusive(room, ANNA, BEN)
    await room.guests[1].leave_group(room.group)
    assert (await room.guests[1].open(packet_id)).answer == "not_allowed"
    assert (await room.guests[0].open(packet_id)).answer == "won"
    turn_clock(DAY_MS)
    refunded = await first_push(room.sender, messages.PacketRefunded)
    assert (refunded.packet_id, refunded.refunded_fen) == (packet_id, 100)
    await books_balance()


async def test_named_users_are_known_after_a_restart(
    start_server: StartServer, party: MakeParty, connect: Connect
) -> None:
    room = await party(await start_server(), 3)
    packet_id = await exclusive(room, ANNA)
    await room.server.kill()
    second = await start_server()
    assert (await (await connect(second, BEN)).open(packet_id)).answer == "not_allowed"
    assert (await (await connect(second, ANNA)).open(packet_id)).answer == "won"


@each(
    ("named", "why"),
    [
        ([], "for_user_ids: 0 users, allowed are 1 to 500"),
        ([ANNA, 9], "for_user_ids: user 9 is not in the group"),
        ([ANNA, SENDER], "for_user_ids: the sender is named"),
        ([ANNA, ANNA], "for_user_ids: a user is named twice"),
    ],
)
async def test_wrong_list_is_refused_and_costs_nothing(room: Party, named: list[int], why: str) -> None:
    with pytest.raises(BadReceivers) as refused:
        await room.sender.send_packet("exclusive", room.group, 100, for_user_ids=named)
    assert refused.value.detail == why
    assert await room.sender.balance() == 100_000


async def test_number_of_shares_is_that_of_the_users(room: Party) -> None:
    request = messages.SendPacket(0, "k", "exclusive", room.group, 100, 3, for_user_ids=[ANNA, BEN])
    with pytest.raises(BadShares):
        await room.sender._ask(request, messages.PacketSent)


async def test_other_kinds_name_no_users(room: Party) -> None:
    with pytest.raises(BadReceivers):
        await room.sender.send_packet("equal", room.group, 100, for_user_ids=[ANNA])


async def test_same_key_for_other_users_is_refused(room: Party) -> None:
    packet_id = await exclusive(room, ANNA, BEN, key="k")
    assert await exclusive(room, BEN, ANNA, key="k") == packet_id
    with pytest.raises(KeyReused, match="users"):
        await exclusive(room, ANNA, CARLA, key="k")
    assert await room.sender.balance() == 100_000 - 200


async def test_packet_is_sent_again_to_its_own_group_only(room: Party) -> None:
    packet_id = await exclusive(room, ANNA)
    other = await room.sender.create_group("other")
    await room.guests[0].join_group(other, await room.sender.invite(other))
    with pytest.raises(Refusal) as refused:
        await room.sender.send_again(packet_id, other)
    assert refused.value.name == "bad_target"
    assert (await room.sender.send_again(packet_id)).stream_id == room.group


async def test_client_without_the_feature_gets_a_text_in_its_place(
    room: Party, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pushed and caught up on; and no kind of page that it does not know."""
    monkeypatch.setattr(transport, "FEATURES", ())
    old = await connect(room.server, CARLA)
    packet_id = await exclusive(room, ANNA)
    await room.sender.say(room.group, "look")
    pushed = await first_push(old, messages.TextPosted)
    page = await old._ask(messages.CatchUp(0, room.group, 0), messages.CaughtUp)
    assert isinstance(page.messages[0], messages.TextPosted)
    for told in (pushed, page.messages[0]):
        assert (told.message, told.sender_id, told.text) == (1, SENDER, "[红包] 当前版本无法显示，请升级后查看")
    shown = await old.open_page(packet_id)
    assert (shown.answer, shown.view) == ("not_allowed", "")
    new = await room.guests[0]._ask(messages.CatchUp(0, room.group, 0), messages.CaughtUp)
    assert isinstance(new.messages[0], messages.PacketPosted)


async def test_proof_is_for_sender_and_named_users(room: Party) -> None:
    packet_id = await exclusive(room, ANNA)
    await room.guests[0].open(packet_id)

    async def is_over() -> bool:
        try:
            return (await room.sender.verify(packet_id)).faults == []
        except NotFinished:
            return False

    await until(is_over)
    assert (await room.guests[0].verify(packet_id)).faults == []
    with pytest.raises(NotAllowed):
        await room.guests[1].reveal(packet_id)


async def test_audit_names_a_claim_of_a_user_who_is_not_named(room: Party, sql: Sql, database: Database) -> None:
    packet_id = await exclusive(room, ANNA)
    await room.guests[0].open(packet_id)
    await room.server.stop()
    await sql.execute("UPDATE packets SET only_for = ARRAY[$2::bigint] WHERE packet_id = $1", packet_id, BEN)
    found = {one.name: one.discrepancies for one in (await audit(database, SEED_KEYS)).findings}
    assert found["allowed"] == [f"packet {packet_id}: user {ANNA} opened it, it was for 1 other users"]


async def test_records_of_both_sides_name_the_kind(room: Party) -> None:
    packet_id = await exclusive(room, ANNA)
    await room.guests[0].open(packet_id)
    sent = await room.sender.records("sent")
    assert [(one.packet_id, one.packet_kind, one.amount_fen) for one in sent.lines] == [
        (packet_id, "exclusive", 100)
    ]

    async def is_listed() -> bool:
        return [one.packet_kind for one in (await received(room.guests[0])).lines] == ["exclusive"]

    await until(is_listed)


async def received(client: Client) -> messages.RecordsShown:
    """What a user has received."""
    return await client.records("received")
