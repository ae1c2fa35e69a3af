"""The outbox: reminders survive being away and crashes, come in order, and tell nothing twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import asyncpg
import pytest

from client_sim.sdk import transport
from client_sim.sdk.client import Client
from client_sim.sdk.pushes import MissedChanges
from protocol import messages
from server.core.ledger import TransferKind, reason_of
from server.services.chat.posts import first_of
from server.services.runtime import in_doubt
from server.services.runtime.events import Reminder
from storage.errors import StoreUnavailable, Unanswered
from storage.postgres.chat.messages import MessageRow
from storage.postgres.chat.outbox import OutboxStore, ReminderKind
from storage.postgres.database import Database
from tests.conftest import Connect, Server, StartServer
from tests.services.books import ALL, GROUP, NOW_MS, Books
from tests.services.conftest import SENDER, MakeParty, until
from tests.services.test_reminders import received

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BooksBalance: TypeAlias = Callable[[], Awaitable[None]]
NOTICES = (messages.ClaimNotice, messages.PacketFinished, messages.PacketRefunded)


async def posted(sql: Sql) -> None:
    """Wait until everything is settled, posted and pushed."""

    async def empty() -> bool:
        waits = "SELECT NOT EXISTS (SELECT FROM settlement_queue) AND NOT EXISTS (SELECT FROM outbox)"
        return bool(await sql.fetchval(waits))

    await until(empty)


async def finished_while_sender_is_away(server: Server, party: MakeParty, sql: Sql) -> tuple[Any, int]:
    """A party whose sender left before any user opened; the packet."""
    room = await party(server, 3)
    packet_id = await room.lucky(900, 3)
    await room.sender.close()
    await room.all_open(packet_id)
    await posted(sql)
    return room, packet_id


async def test_sender_who_was_away_receives_each_claim_and_the_finish_once(
    start_server: StartServer, party: MakeParty, connect: Connect, sql: Sql, books_balance: BooksBalance
) -> None:
    room, packet_id = await finished_while_sender_is_away(await start_server(), party, sql)
    back = await connect(room.server, SENDER, positions={SENDER: 0, room.group: 1})
    told = await received(back, 5, *NOTICES)
    claims = [one for one in told if isinstance(one, messages.ClaimNotice)]
    assert sorted(one.index for one in claims) == [0, 1, 2]
    assert [one.left_shares for one in sorted(claims, key=lambda one: one.index)] == [2, 1, 0]
    ends = [one for one in told if isinstance(one, messages.PacketFinished)]
    assert {one.stream_id for one in ends} == {SENDER, room.group}
    assert {one.best_amount_fen for one in ends} == {max(one.amount_fen for one in claims)}
    assert {one.packet_id for one in told} == {packet_id}
    await books_balance()


async def test_sender_who_is_online_receives_nothing_twice(
    start_server: StartServer, party: MakeParty, sql: Sql
) -> None:
    room = await party(await start_server(), 2)
    await room.all_open(await room.lucky(500, 2))
    await posted(sql)
    told = await received(room.sender, 3, *NOTICES)
    assert sorted(one.index for one in told if isinstance(one, messages.ClaimNotice)) == [0, 1]
    assert [one.stream_id for one in told if isinstance(one, messages.PacketFinished)] == [room.group]


async def test_client_without_the_feature_reads_reminders_as_texts(
    start_server: StartServer, party: MakeParty, connect: Connect, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And meets no kind of message that it does not know."""
    room, _ = await finished_while_sender_is_away(await start_server(), party, sql)
    monkeypatch.setattr(transport, "FEATURES", ())
    old = await connect(room.server, SENDER)
    page = await old._ask(messages.CatchUp(0, SENDER, 0), messages.CaughtUp)
    assert [type(one) for one in page.messages] == [messages.TextPosted] * len(page.messages)
    assert [(one.sender_id, one.message) for one in page.messages] == [(0, n + 1) for n in range(page.last_message)]
    texts = [one.text for one in page.messages if isinstance(one, messages.TextPosted)]
    assert texts[0].startswith("你的红包被领取了")
    assert texts[-1].startswith("3个红包")


async def test_refund_is_told_to_a_sender_who_was_away(
    start_server: StartServer, party: MakeParty, connect: Connect, sql: Sql, books_balance: BooksBalance
) -> None:
    room = await party(await start_server(limits__packet_lifetime_s=0.3, refunds__interval_s=0.05), 1)
    packet_id = await room.lucky(500, 2)
    await room.sender.close()

    async def refunded() -> bool:
        return bool(await sql.fetchval("SELECT EXISTS (SELECT FROM packets WHERE refunded_fen > 0)"))

    await until(refunded)
    await posted(sql)
    back = await connect(room.server, SENDER, positions={SENDER: 0})
    assert [(one.packet_id, one.refunded_fen) for one in await received(back, 1, *NOTICES)] == [(packet_id, 500)]
    await books_balance()


async def test_posts_go_on_after_a_server_was_killed_before_it_posted(
    start_server: StartServer, party: MakeParty, connect: Connect, sql: Sql, books_balance: BooksBalance
) -> None:
    room = await party(await start_server(), 2)

    async def nothing() -> int:
        return 0

    room.server.app.services.outbox.post_once = nothing  # type: ignore[method-assign]
    await room.all_open(await room.lucky(500, 2))

    async def settled() -> bool:
        return await sql.fetchval("SELECT count(*) FROM entries WHERE kind = 4") == 2

    await until(settled)
    await room.server.kill()
    other = await start_server()
    await posted(sql)
    back = await connect(other, SENDER, positions={SENDER: 0, room.group: 1})
    assert len(await received(back, 4, *NOTICES)) == 4
    await books_balance()


async def test_posts_whose_commit_is_in_doubt_are_pushed(
    start_server: StartServer, party: MakeParty, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_doubt, "LOOK_S", 0.05)
    room = await party(await start_server(), 2)
    store = room.server.app.services.outbox._store
    post, lost = store.post, list[MessageRow]()

    async def post_without_reply(most: int) -> list[MessageRow]:
        posts = await post(most)
        if posts and not lost:
            lost.extend(posts)
            raise Unanswered(StoreUnavailable("the reply to COMMIT was lost"), posts)
        return posts

    monkeypatch.setattr(store, "post", post_without_reply)
    await room.all_open(await room.lucky(500, 2))
    await until(lambda: reminded(room, 1))
    assert lost


async def test_posts_that_cannot_be_read_are_pushed_later(
    start_server: StartServer, party: MakeParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await party(await start_server(), 2)
    reader = room.server.app.services.outbox._reader
    read, refused = reader.reminders, list[MessageRow]()

    async def read_at_the_second_try(rows: Sequence[MessageRow]) -> Sequence[Reminder]:
        if not refused:
            refused.extend(rows)
            raise StoreUnavailable("away")
        return await read(rows)

    monkeypatch.setattr(reader, "reminders", read_at_the_second_try)
    await room.all_open(await room.lucky(500, 2))
    await until(lambda: reminded(room, 1))
    assert refused


async def reminded(room: Any, finishes: int) -> bool:
    """Whether the sender's client has so many finishes, each behind its claims, in its inbox."""
    return bool(room.sender.positions.get(SENDER, 0) >= 2 * finishes)


# --- the store ------------------------------------------------------------------------------------------------


@pytest.fixture
async def settled_books(books: Books) -> Books:
    """One packet of three shares is opened and settled in two batches."""
    packet = await books.sent(NOW_MS, 900, 3)
    await books.open(packet, (2, 3), NOW_MS + 1)
    await books.settlement.settle(ALL, NOW_MS + 2)
    await books.open(packet, (4,), NOW_MS + 3)
    await books.settlement.settle(ALL, NOW_MS + 4)
    return books


async def test_claims_of_a_packet_are_one_post_and_the_finish_follows(
    settled_books: Books, database: Database
) -> None:
    posts = await OutboxStore(database).post(ALL)
    of_sender = [post for post in posts if post.stream_id == 1]
    assert [(post.message, post.reminder, post.first_index, post.end_index) for post in of_sender] == [
        (1, ReminderKind.CLAIMS, 0, 3),
        (2, ReminderKind.FINISH, None, None),
    ]
    assert [(post.message, post.reminder) for post in posts if post.stream_id == GROUP] == [
        (1, ReminderKind.FINISH)
    ]


async def test_finish_is_posted_once_although_its_claims_are_settled_one_by_one(
    books: Books, database: Database
) -> None:
    packet = await books.sent(NOW_MS, 900, 3)
    await books.open(packet, (2, 3, 4), NOW_MS + 1)
    store, posts = OutboxStore(database), []
    for n in range(3):
        await books.settlement.settle(1, NOW_MS + 2 + n)
        posts += await store.post(ALL)
    assert sorted(post.stream_id for post in posts if post.reminder == ReminderKind.FINISH) == [1, GROUP]
    assert [(one.first_index, one.end_index) for one in posts if one.reminder == ReminderKind.CLAIMS] == [(0, 3)]


async def test_claims_of_an_open_packet_are_posted_from_where_the_last_post_ended(
    books: Books, database: Database
) -> None:
    packet, store, ranges = await books.sent(NOW_MS, 900, 4), OutboxStore(database), []
    for users in ((2,), (3, 4), (5,)):
        await books.open(packet, users, NOW_MS + 1)
        for _ in users:
            await books.settlement.settle(1, NOW_MS + 2)
        ranges += [(one.first_index, one.end_index) for one in await store.post(ALL) if one.first_index is not None]
    assert ranges == [(0, 1), (1, 3), (3, 4)]
    async with database.reading() as connection:
        assert await connection.fetchval("SELECT count(*) FROM posted_claims") == 0


async def test_posts_of_a_stream_keep_their_order_over_batches(books: Books, database: Database) -> None:
    packets = [await books.sent(NOW_MS + n, 100, 1) for n in range(4)]
    for n, packet in enumerate(packets):
        await books.open(packet, (2,), NOW_MS + 10 + n)
        await books.settlement.settle(ALL, NOW_MS + 20 + n)
    store, told = OutboxStore(database), []
    while batch := await store.post(2):
        told += [(post.message, post.packet_id) for post in batch if post.stream_id == 1]
    assert [message for message, _ in told] == list(range(1, 9))
    assert [packet_id for _, packet_id in told] == [one.packet_id for one in packets for _ in range(2)]


# --- the wallet's entries -------------------------------------------------------------------------------------


async def test_changes_of_the_wallet_that_were_missed_are_told_after_a_reconnect(
    start_server: StartServer, connect: Connect
) -> None:
    server = await start_server()
    backend, user = await connect(server, 0), await connect(server, 7)
    await backend.top_up(7, 500)
    await received(user, 1, messages.BalanceChanged)
    version = user.balance_version
    await user.close()
    await backend.top_up(7, 40)
    await backend.withdraw(7, 15)
    back = await connect(server, 7, balance_version=version)
    (missed,) = [one.entries async for one in first(back, MissedChanges)]
    assert [(one.version, one.reason, one.change_fen, one.balance_fen) for one in missed] == [
        (2, "top_up", 40, 540),
        (3, "withdraw", -15, 525),
    ]
    assert back.balance_version == 3


async def first(client: Client, kind: type[Any]) -> Any:
    """The first push of a kind."""
    async for push in client.pushes():
        if isinstance(push, kind):
            yield push
            return


async def test_statement_lists_every_transfer_with_its_packet(
    start_server: StartServer, party: MakeParty, sql: Sql, books_balance: BooksBalance
) -> None:
    room = await party(await start_server(), 2)
    packets = [await room.lucky(300, 2) for _ in range(2)]
    for packet_id in packets:
        await room.all_open(packet_id)
    await posted(sql)
    page = await room.sender.entries()
    assert [(one.reason, one.change_fen, one.packet_id) for one in page.entries] == [
        ("top_up", 100_000, 0),
        *(("send", -300, packet_id) for packet_id in packets),
    ]
    assert not page.more
    lines = (await room.guests[0].entries()).entries
    assert sorted(one.packet_id for one in lines) == sorted(packets)
    assert [one.version for one in lines] == [1, 2]
    assert lines[-1].balance_fen == sum(one.change_fen for one in lines) == await room.guests[0].balance()
    assert {one.reason for one in lines} == {reason_of(TransferKind.CLAIM)}
    await books_balance()


def test_posts_that_are_read_at_once_name_a_bounded_number_of_claims() -> None:
    def row(claims: int) -> MessageRow:
        return MessageRow(1, 1, 0, NOW_MS, None, GROUP, ReminderKind.CLAIMS, 0, claims)

    text = MessageRow(1, 1, 7, NOW_MS, "hello", None)
    many = [row(1_500), text, row(500), row(1), row(9_000)]
    assert first_of(many) == many[:3]
    assert first_of(many[3:]) == many[3:4]
    assert first_of(many[4:]) == many[4:]  # one post is whole
    assert first_of([]) == []
