"""The whole path over two sets: users of both send, open and are credited as if there were one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.pushes import Reloaded
from server.core import ids
from server.core.kinds import PacketKind
from server.core.packet_request import PacketRequest
from server.core.refusals import Reason, RequestRefused
from storage.errors import StoreUnavailable, Unanswered
from storage.postgres.database import Database
from storage.postgres.money.wallets import BalanceRow
from storage.postgres.packets.packets import PacketStore
from storage.postgres.packets.refunds import RefundRow
from storage.postgres.sets.packets import SetPacketStore
from storage.postgres.sets.places import Sets
from tests.conftest import BACKEND, DAY_MS, Connect, Turn
from tests.services.conftest import until
from tests.sets.conftest import EACH_FEN, NEW, OLD, Crowd, FindDiscrepancies, MakeCrowd, Sql, is_settled


async def has_posts(client: Client, stream_id: int, names: list[str]) -> bool:
    """Whether these stand in a stream, by the names of the pushes."""
    found = await client.catch_up(stream_id, 0)
    assert not isinstance(found, Reloaded)
    return [type(post).__name__ for post in found] == names


def sender_of(one: Crowd, number: int) -> Client:
    """A user of a set."""
    return (one.old, one.new)[number][0]


async def test_new_users_are_in_the_new_set_and_known_ones_stay(crowd: MakeCrowd, sql: Sql, other_sql: Sql) -> None:
    await crowd(2, 2)
    rows = await sql.fetch("SELECT user_id, set_number FROM user_sets ORDER BY user_id")
    assert [tuple(row) for row in rows] == [(OLD, 0), (OLD + 1, 0), (NEW, 1), (NEW + 1, 1)]
    assert [row[0] for row in await sql.fetch("SELECT user_id FROM wallets ORDER BY 1")] == [OLD, OLD + 1]
    assert [row[0] for row in await other_sql.fetch("SELECT user_id FROM wallets ORDER BY 1")] == [NEW, NEW + 1]


@pytest.mark.parametrize("number", [0, 1])
async def test_packet_to_a_group_is_opened_by_users_of_both_sets_and_each_is_credited_in_their_own(
    crowd: MakeCrowd, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies, number: int
) -> None:
    one = await crowd(3, 3)
    sender = sender_of(one, number)
    packet_id = (await sender.send_packet("lucky", one.group, 6_000, 6)).packet_id
    assert ids.set_of(packet_id, 1) == number
    users = [*one.old, *one.new]
    opened = await asyncio.gather(*(user.open(packet_id) for user in users))
    assert [reply.answer for reply in opened] == ["won"] * 6
    assert sum(reply.amount_fen for reply in opened) == 6_000
    await until(lambda: is_settled(sql, other_sql))
    balances = [await user.balance() for user in users]
    assert balances == [
        EACH_FEN + reply.amount_fen - (6_000 if user is sender else 0)
        for user, reply in zip(users, opened, strict=True)
    ]
    assert await discrepancies() == []


@pytest.mark.parametrize("number", [0, 1])
async def test_packet_and_its_finish_are_posted_in_the_group_once(
    crowd: MakeCrowd, sql: Sql, other_sql: Sql, number: int
) -> None:
    one = await crowd(2, 2)
    packet_id = (await sender_of(one, number).send_packet("lucky", one.group, 600, 2)).packet_id
    await asyncio.gather(one.old[1].open(packet_id), one.new[1].open(packet_id))
    await until(lambda: is_settled(sql, other_sql))
    rows = await sql.fetch(
        "SELECT message, packet_id, reminder FROM messages WHERE stream_id = $1 ORDER BY 1", one.group
    )
    assert [tuple(row) for row in rows] == [(1, packet_id, None), (2, packet_id, 2)]


@pytest.mark.parametrize("number", [0, 1])
async def test_personal_packet_reaches_the_inbox_of_a_user_of_the_other_set(
    crowd: MakeCrowd, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies, number: int
) -> None:
    one = await crowd(1, 1)
    sender, receiver = sender_of(one, number), sender_of(one, 1 - number)
    receiver_id = (OLD, NEW)[1 - number]
    packet_id = (await sender.send_packet("personal", receiver_id, 500)).packet_id
    await until(lambda: is_settled(sql, other_sql))
    await until(lambda: has_posts(receiver, receiver_id, ["PacketPosted"]))
    assert (await receiver.open(packet_id)).answer == "won"
    await until(lambda: is_settled(sql, other_sql))
    assert (await sender.balance(), await receiver.balance()) == (EACH_FEN - 500, EACH_FEN + 500)
    assert await discrepancies() == []


async def test_rest_of_a_packet_goes_back_in_the_set_of_its_sender(
    crowd: MakeCrowd, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies, turn_clock: Turn
) -> None:
    one = await crowd(1, 2, refunds__interval_s=0.05)
    packet_id = (await one.new[0].send_packet("equal", one.group, 100, 3)).packet_id
    await one.old[0].open(packet_id)
    turn_clock(DAY_MS + 1_000)
    await until(lambda: _refunded(other_sql, packet_id))
    await until(lambda: is_settled(sql, other_sql))
    assert await one.new[0].balance() == EACH_FEN - 100
    assert await one.old[0].balance() == EACH_FEN + 100
    assert await discrepancies() == []


async def _refunded(sql: Sql, packet_id: int) -> bool:
    return await sql.fetchval("SELECT refunded_fen FROM packets WHERE packet_id = $1", packet_id) == 200


class Refunder:
    """The packets of one set: each is refunded, or none gets an answer."""

    def __init__(self, *, answers: bool) -> None:
        self._answers = answers

    async def refund(self, packet_ids: Sequence[int], now_ms: int) -> list[RefundRow]:
        if not self._answers:
            raise Unanswered(StoreUnavailable("no answer"), [self._refund(packet_ids[0], now_ms)])
        return [self._refund(one, now_ms) for one in packet_ids]

    def _refund(self, packet_id: int, now_ms: int) -> RefundRow:
        return RefundRow(packet_id, 1, 100, now_ms, BalanceRow(100, 1), 9)


async def test_refunds_of_sets_that_answer_are_looked_for_when_another_set_gives_none() -> None:
    """And of the other set those that it has perhaps made."""
    sets = Sets([cast("Database", None)] * 2, lambda number, first_id: number % 2)
    store = SetPacketStore(sets, [cast("PacketStore", Refunder(answers=one)) for one in (True, False)])
    with pytest.raises(Unanswered) as caught:
        await store.refund([2, 3, 4, 5], 7)
    assert sorted((one.packet_id, one.at_ms) for one in caught.value.asked) == [(2, 7), (3, 7), (4, 7)]
    assert [one.packet_id for one in await store.refund([2, 4], 7)] == [2, 4]


async def test_records_and_statement_name_packets_of_the_other_set(
    crowd: MakeCrowd, sql: Sql, other_sql: Sql
) -> None:
    one = await crowd(1, 1)
    packet_id = (await one.new[0].send_packet("lucky", one.group, 700, 1)).packet_id
    await one.old[0].open(packet_id)
    await until(lambda: is_settled(sql, other_sql))
    received = await one.old[0].records("received")
    assert (received.count, received.total_fen, received.best_lucks) == (1, 700, 1)
    (line,) = received.lines
    assert (line.packet_id, line.packet_kind, line.user_id) == (packet_id, "lucky", NEW)
    newest = (await one.old[0].statement()).lines[0]
    assert (newest.packet_id, newest.packet_kind) == (packet_id, "lucky")
    assert (newest.change_fen, newest.other_id) == (700, NEW)
    debit = (await one.new[0].statement()).lines[0]
    assert (debit.packet_id, debit.change_fen) == (packet_id, -700)
    assert (debit.other_id, debit.other_name) == (one.group, "crowd")
    sent = await one.new[0].records("sent")
    assert (sent.count, sent.total_fen, [line.packet_id for line in sent.lines]) == (1, 700, [packet_id])


async def test_packet_that_is_sent_again_is_posted_in_another_group(
    crowd: MakeCrowd, connect: Connect, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies
) -> None:
    one = await crowd(1, 2)
    backend = await connect(one.server, BACKEND)
    second = await backend.put_group("second", "second")
    await backend.sync_members(second, 1, [NEW, 7])
    await backend.top_up(7, 100)
    packet_id = (await one.new[0].send_packet("lucky", one.group, 700, 2)).packet_id
    await one.new[0].send_again(packet_id, second)
    guest = await connect(one.server, 7)
    await until(lambda: is_settled(sql, other_sql))
    await until(lambda: has_posts(guest, second, ["PacketPosted"]))
    assert (await guest.open(packet_id)).answer == "won"
    await until(lambda: is_settled(sql, other_sql))
    assert await discrepancies() == []


async def test_same_key_answers_the_same_in_a_further_set(crowd: MakeCrowd) -> None:
    one = await crowd(1, 1)
    sent = [await one.new[0].send_packet("lucky", one.group, 700, 2, key="once") for _ in range(2)]
    assert sent[0].packet_id == sent[1].packet_id
    assert await one.new[0].balance() == EACH_FEN - 700


async def test_banned_user_of_a_further_set_sends_nothing(crowd: MakeCrowd, connect: Connect) -> None:
    one = await crowd(1, 1)
    await (await connect(one.server, BACKEND)).ban_user(NEW)
    sends = one.server.app.services.sends
    with pytest.raises(RequestRefused) as refused:
        await sends.send(PacketRequest(NEW, "k", PacketKind("lucky"), one.group, 700, 2, ""))
    assert refused.value.reason is Reason.BANNED


async def test_news_of_users_of_a_set_that_is_away_are_not_taken_for_told(crowd: MakeCrowd) -> None:
    """After a gap between servers: each set answers for its own users, in full or not at all."""
    one = await crowd(1, 1)
    services = one.server.app.services
    assert await services.missed_news.in_parts([OLD, NEW]) == [[OLD], [NEW]]
    await one.new[0].send_packet("personal", OLD, 100, 1)
    await one.old[0].send_packet("personal", NEW, 100, 1)
    services._stores.sets.databases[1].hold("it was not there")
    told = await services.missed_news.balances({OLD: 0})
    assert [change.user_id for change in told] == [OLD, OLD]
    posts = await services.missed_news.posts([OLD], [], 0)
    assert {post.stream_id for post, _ in posts} >= {OLD}
    for ask in (services.missed_news.posts([NEW], [], 0), services.missed_news.balances({NEW: 0})):
        with pytest.raises(StoreUnavailable, match="it was not there"):
            await ask
    services._stores.sets.databases[1].hold("")
    assert {post.stream_id for post, _ in await services.missed_news.posts([NEW], [], 0)} >= {NEW}
