"""Scheduled packets (定时红包): paid at once, posted at their time, once; cancelled before."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg
import pytest

from bench.chaos.proxy import Proxy
from client_sim.sdk.client import Client
from client_sim.sdk.errors import KeyReused, NotAllowed, NotFinished, Refusal
from client_sim.sdk.methods.everyday_errors import AlreadyPosted, BadTime
from protocol import messages
from server.services.everyday.scheduled import ScheduledService
from server.services.packets.send import streams
from server.services.runtime import in_doubt
from storage.postgres.database import Database
from storage.postgres.packets.packets import PacketStore
from storage.postgres.packets.scheduled import ScheduledStore
from tests.cases import each
from tests.conftest import Connect, Server, StartServer
from tests.services.conftest import SENDER, MakeParty, Party, until
from tests.services.test_membership import first_push

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BooksBalance = Callable[[], Awaitable[None]]
DAY_MS = 86_400_000


def now_ms(server: Server) -> int:
    """The time of the server."""
    return server.app.services.everyday.scheduled._now_ms()


@pytest.fixture
async def room(server: Server, party: MakeParty) -> Party:
    """A sender and two guests."""
    return await party(server, 2)


async def later(
    room: Party, in_ms: int = DAY_MS, key: str | None = None, kind: str = "lucky", **more: object
) -> int:
    """A packet of 5.00 yuan for two; its id."""
    send_at_ms = now_ms(room.server) + in_ms
    content = kind, room.group, 500, 2, "", key
    sent = await room.sender.send_packet(*content, send_at_ms=send_at_ms, **more)  # type: ignore[arg-type]
    assert sent.expires_at_ms == send_at_ms + DAY_MS
    return sent.packet_id


async def posts(client: Client, group: int) -> list[int]:
    """The packets that are posted in a group."""
    found = await client.catch_up(group, 0)
    assert isinstance(found, list)
    return [one.packet_id for one in found if isinstance(one, messages.PacketPosted)]


async def make_due(sql: Sql, packet_id: int, ago_ms: int = 0) -> None:
    """Its time is now, or was a while ago: no test waits for it."""
    moved = "send_at_ms = $2::bigint, created_at_ms = $2::bigint - 1, expires_at_ms = $2::bigint + 86400000"
    at_ms = await sql.fetchval("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint") - ago_ms
    async with sql.transaction():
        await sql.execute(f"UPDATE packets SET {moved} WHERE packet_id = $1", packet_id, at_ms)
        await sql.execute("UPDATE scheduled_packets SET send_at_ms = $2 WHERE packet_id = $1", packet_id, at_ms)


async def test_money_is_taken_at_once_and_no_user_sees_the_packet(room: Party, books_balance: BooksBalance) -> None:
    packet_id = await later(room)
    assert await room.sender.balance() == 100_000 - 500
    assert await posts(room.guests[0], room.group) == []
    for user in (*room.guests, room.sender):
        assert (await user.open(packet_id)).answer == "not_allowed"
        page = await user.open_page(packet_id)
        assert (page.answer, page.view) == ("not_allowed", "")
    with pytest.raises(NotAllowed):
        await room.guests[0].reveal(packet_id)
    with pytest.raises(NotFinished):
        await room.sender.reveal(packet_id)
    with pytest.raises(Refusal) as refused:
        await room.sender.send_again(packet_id)
    assert refused.value.name == "bad_target"
    await books_balance()


async def test_packet_is_posted_at_its_time_and_opened_as_any_other(
    room: Party, books_balance: BooksBalance
) -> None:
    packet_id = await later(room, in_ms=700)
    assert (await room.guests[0].open(packet_id)).answer == "not_allowed"  # known to memory as hidden
    posted = await first_push(room.guests[0], messages.PacketPosted)
    assert (posted.packet_id, posted.sender_id, posted.message) == (packet_id, SENDER, 1)
    assert posted.at_ms >= posted.expires_at_ms - DAY_MS
    opened = await room.all_open(packet_id)
    assert {one.answer for one in opened} == {"won"}
    assert sum(one.amount_fen for one in opened) == 500
    assert await room.sender.scheduled() == []
    await books_balance()


async def test_each_kind_can_be_scheduled(room: Party, sql: Sql) -> None:
    each = await later(room, kind="exclusive", for_user_ids=[2, 3])
    words = await later(room, kind="password", words="sesame")
    for packet_id in (each, words):
        await make_due(sql, packet_id)
    await until(lambda: has_posted(room, 2))
    assert (await room.guests[0].open(each)).amount_fen == 500
    assert (await room.guests[0].open(words, words="sesame")).answer == "won"


async def has_posted(room: Party, count: int) -> bool:
    """So many packets are posted in the group."""
    return len(await posts(room.sender, room.group)) == count


async def test_personal_packet_is_posted_to_both(room: Party, sql: Sql) -> None:
    send_at_ms = now_ms(room.server) + DAY_MS
    sent = await room.sender.send_packet("personal", 2, 500, send_at_ms=send_at_ms)
    await make_due(sql, sent.packet_id)
    for user in (room.guests[0], room.sender):
        assert (await first_push(user, messages.PacketPosted)).packet_id == sent.packet_id


async def test_sender_lists_what_waits_the_next_one_first(room: Party) -> None:
    second, first = await later(room, 2 * DAY_MS), await later(room)
    assert await service(room).post_once() == 0  # not before their time
    assert [one.packet_id for one in await room.sender.scheduled()] == [first, second]
    (line, _) = await room.sender.scheduled()
    assert (line.packet_kind, line.target_id, line.total_fen, line.shares) == ("lucky", room.group, 500, 2)
    assert line.expires_at_ms == line.send_at_ms + DAY_MS
    assert await room.guests[0].scheduled() == []


async def test_cancelled_packet_comes_back_once_and_is_never_posted(
    room: Party, sql: Sql, books_balance: BooksBalance
) -> None:
    packet_id = await later(room)
    cancelled = await asyncio.gather(*(room.sender.cancel_scheduled(packet_id) for _ in range(4)))
    assert cancelled == [500] * 4
    assert await room.sender.balance() == 100_000
    assert (await first_push(room.sender, messages.PacketRefunded)).refunded_fen == 500
    assert await sql.fetchval("SELECT count(*) FROM transfers WHERE kind = 5") == 1
    await sql.execute("UPDATE scheduled_packets SET send_at_ms = 1")
    assert await service(room).post_once() == 0
    await restore(sql)
    assert await posts(room.sender, room.group) == []
    assert await room.sender.scheduled() == []
    await books_balance()


async def restore(sql: Sql) -> None:
    """The times of the schedule as the packets have them."""
    await sql.execute(
        "UPDATE scheduled_packets s SET send_at_ms = p.send_at_ms FROM packets p WHERE p.packet_id = s.packet_id"
    )


def service(room: Party) -> ScheduledService:
    """The service of the server."""
    return room.server.app.services.everyday.scheduled


async def test_packet_that_is_posted_cannot_be_cancelled(room: Party, sql: Sql) -> None:
    packet_id = await later(room)
    await make_due(sql, packet_id)
    await first_push(room.guests[0], messages.PacketPosted)
    with pytest.raises(AlreadyPosted):
        await room.sender.cancel_scheduled(packet_id)
    assert await room.sender.balance() == 100_000 - 500


async def test_packet_of_another_user_cannot_be_cancelled(room: Party) -> None:
    packet_id = await later(room)
    for wrong in (packet_id, packet_id + 1):
        with pytest.raises(NotAllowed):
            await room.guests[0].cancel_scheduled(wrong)
    assert len(await room.sender.scheduled()) == 1


async def test_two_servers_post_a_packet_once(
    room: Party, sql: Sql, database: Database, books_balance: BooksBalance
) -> None:
    packet_ids = [await later(room, key=f"k{n}") for n in range(6)]
    await room.server.stop()
    for packet_id in packet_ids:
        await make_due(sql, packet_id)
    at_ms = await sql.fetchval("SELECT max(send_at_ms) FROM packets")
    stores = [ScheduledStore(database, PacketStore(database)) for _ in range(2)]
    found = await asyncio.gather(*(one.post(at_ms, 4, streams) for one in (*stores, *stores)))
    assert sorted(one.row.packet_id for part in found for one in part.posted) == sorted(packet_ids)
    assert await sql.fetchval("SELECT count(*) FROM messages WHERE packet_id IS NOT NULL") == 6
    await books_balance()


async def test_what_fell_due_while_no_server_ran_is_posted_after_the_restart(
    start_server: StartServer, party: MakeParty, connect: Connect, sql: Sql
) -> None:
    room = await party(await start_server(), 1)
    packet_id = await later(room)
    await room.server.kill()
    await make_due(sql, packet_id, ago_ms=3_600_000)
    guest = await connect(await start_server(), 2)

    async def is_posted() -> bool:
        return await posts(guest, room.group) == [packet_id]

    await until(is_posted)
    assert (await guest.open(packet_id)).answer == "won"


async def test_what_has_expired_while_no_server_ran_comes_back_unposted(
    start_server: StartServer, party: MakeParty, connect: Connect, sql: Sql, books_balance: BooksBalance
) -> None:
    room = await party(await start_server(), 1)
    packet_id = await later(room)
    await room.server.kill()
    await make_due(sql, packet_id, ago_ms=DAY_MS + 1_000)
    sender = await connect(await start_server(refunds__interval_s=0.05), SENDER)

    async def is_back() -> bool:
        return await sender.balance() == 100_000

    await until(is_back)
    assert await posts(sender, room.group) == []
    await books_balance()


async def test_packet_of_a_sender_who_left_the_group_comes_back(
    room: Party, backend: Client, sql: Sql, books_balance: BooksBalance
) -> None:
    other = room.guests[0]
    await backend.top_up(2, 1_000)
    at_ms = now_ms(room.server) + DAY_MS
    sent = await other.send_packet("lucky", room.group, 500, 2, send_at_ms=at_ms)
    await other.leave_group(room.group)
    await make_due(sql, sent.packet_id)
    assert (await first_push(other, messages.PacketRefunded)).refunded_fen == 500
    assert await posts(room.sender, room.group) == []
    await books_balance()


@each("in_ms", [-1, 0, 30 * DAY_MS + 60_000, 2**60])
async def test_time_in_the_past_or_too_far_ahead_is_refused(room: Party, in_ms: int) -> None:
    with pytest.raises(BadTime):
        await room.sender.send_packet("lucky", room.group, 500, 2, send_at_ms=now_ms(room.server) + in_ms)
    assert await room.sender.balance() == 100_000


async def test_same_key_is_one_packet_also_after_its_time_and_with_another_time_refused(
    room: Party, sql: Sql
) -> None:
    at_ms = now_ms(room.server) + 600
    first = await room.sender.send_packet("lucky", room.group, 500, 2, "", "k", send_at_ms=at_ms)
    with pytest.raises(KeyReused, match="time"):
        await room.sender.send_packet("lucky", room.group, 500, 2, "", "k", send_at_ms=at_ms + DAY_MS)
    await first_push(room.guests[0], messages.PacketPosted)
    again = await room.sender.send_packet("lucky", room.group, 500, 2, "", "k", send_at_ms=at_ms)
    assert again.packet_id == first.packet_id
    assert await room.sender.balance() == 100_000 - 500


async def test_packets_over_the_limit_of_those_that_wait_are_refused(room: Party, sql: Sql) -> None:
    packet_id = await later(room)
    await sql.execute(
        "INSERT INTO scheduled_packets (packet_id, sender_id, send_at_ms) "
        "SELECT $1::bigint + n, $2::bigint, 9000000000000 FROM generate_series(1, 98) n",
        packet_id,
        SENDER,
    )
    await later(room)
    with pytest.raises(Refusal) as refused:
        await later(room)
    assert refused.value.name == "limit"
    assert await room.sender.balance() == 100_000 - 1_000


async def test_records_say_that_a_packet_is_scheduled_or_cancelled(room: Party) -> None:
    waits, cancelled = await later(room), await later(room)
    await room.sender.cancel_scheduled(cancelled)
    lines = {one.packet_id: one.state for one in (await room.sender.records("sent")).lines}
    assert lines == {waits: "scheduled", cancelled: "cancelled"}


async def test_packet_that_goes_back_to_a_locked_wallet_holds_up_no_other(
    room: Party, connect: Connect, sql: Sql, postgres_dsn: str, books_balance: BooksBalance
) -> None:
    """Both senders are banned before the time comes, so both packets go back."""
    backend, guest = await connect(room.server, 0), room.guests[0]
    await backend.top_up(guest.user_id, 1_000)
    locked = await later(room)
    at_ms = now_ms(room.server) + DAY_MS
    free = (await guest.send_packet("lucky", room.group, 500, 2, send_at_ms=at_ms)).packet_id
    for user_id in (SENDER, guest.user_id):
        await backend.ban_user(user_id)
    view = await asyncpg.connect(postgres_dsn)

    async def returned() -> list[int]:
        rows = await view.fetch("SELECT packet_id FROM packets WHERE refunded_fen = 500 ORDER BY packet_id")
        return [row[0] for row in rows]

    async def is_free_returned() -> bool:
        return await returned() == [free]

    async def are_both_returned() -> bool:
        return await returned() == [locked, free]

    async with sql.transaction():
        await sql.execute("SELECT FROM wallets WHERE user_id = $1 FOR UPDATE", SENDER)
        for packet_id in (locked, free):
            await make_due(view, packet_id)
        await until(is_free_returned)
    await until(are_both_returned)
    await view.close()
    await books_balance()


async def test_post_whose_commit_was_in_doubt_is_pushed(
    start_server: StartServer,
    party: MakeParty,
    postgres_proxy: tuple[Proxy, str],
    sql: Sql,
    books_balance: BooksBalance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is posted, so no round finds it due again; a group without other messages would not see it at all."""
    monkeypatch.setattr(in_doubt, "LOOK_S", 0.05)
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn), 1)
    packet_id = await later(room)
    proxy.lose_commit_of = struct.pack(">q", packet_id)
    pushed = asyncio.create_task(first_push(room.guests[0], messages.PacketPosted))
    await make_due(sql, packet_id)
    found = await pushed
    assert (found.packet_id, found.message, proxy.lost_replies) == (packet_id, 1, 1)
    assert await posts(room.guests[0], room.group) == [packet_id]
    assert (await room.guests[0].open(packet_id)).answer == "won"
    await books_balance()
