"""Packets that wait for their time: posted once, cancelled, returned."""

from __future__ import annotations

import pytest

from storage.postgres.money.wallets import BalanceRow
from storage.postgres.packets.packets import PacketRow
from storage.postgres.packets.refunds import RefundRow
from storage.postgres.packets.scheduled import WAITING_MAX, Cancelled
from storage.postgres.packets.sends import Sent, Unsent
from storage.stores import Stores
from tests.contract.given import (
    ANNA,
    BEN,
    EXPIRES_MS,
    GROUP,
    LATER_MS,
    SENDER,
    balance,
    debit_of,
    open_packet,
    packet,
    packet_id,
    pay_in,
    plain,
    send,
    streams_of,
)
from tests.seeds import SeedsInPlain

SEND_MS = 50_000


def later(number: int, send_ms: int = SEND_MS, **terms: object) -> PacketRow:
    """A packet of 9.00 yuan that is to be posted."""
    return packet(number, **terms)._replace(send_at_ms=send_ms)  # type: ignore[arg-type]


@pytest.fixture
async def room(both: Stores) -> Stores:
    """The sender is in the group."""
    await both.backend_groups.put(GROUP, "g", "group", "name", SENDER, 1)  # type: ignore[arg-type]
    await both.backend_groups.change(GROUP, 1, [SENDER, ANNA], [], 1, 500)
    return both


async def waiting(stores: Stores, sender_id: int = SENDER) -> list[int]:
    """The packets that wait."""
    return [row.packet_id for row in await stores.scheduled.waiting(sender_id)]


async def hidden(stores: Stores, number: int) -> bool:
    """Whether a packet is told to be hidden, by both readings."""
    (row,) = (await stores.packets.rows([packet_id(number)])).values()
    (loaded,) = (await stores.packets.load([packet_id(number)]))[0].values()
    assert row.is_hidden == loaded.is_hidden
    return row.is_hidden


async def test_scheduled_packet_is_paid_at_once_and_not_announced(room: Stores) -> None:
    await pay_in(room, SENDER, 1_000)
    sent = await room.sends.record([later(1)], debit_of, streams_of, SeedsInPlain)
    assert sent == [Sent(later(1), BalanceRow(100, 2), {})]
    assert await waiting(room) == [packet_id(1)]
    assert await hidden(room, 1)
    assert await room.sends.find_outcome([later(1)], streams_of) == [Sent(later(1), BalanceRow(100, 2), {})]


async def test_waiting_are_the_senders_own_the_next_one_first(room: Stores) -> None:
    await send(room, later(1, 70_000), later(2, 60_000), later(3, 70_000), later(4, sender=BEN), packet(5))
    assert await waiting(room) == [packet_id(2), packet_id(1), packet_id(3)]
    assert await waiting(room, BEN) == [packet_id(4)]


async def test_post_is_found_under_the_numbers_that_it_has_given(room: Stores) -> None:
    await send(room, packet(3), later(1), later(2, SEND_MS + 1))
    (posted,) = (await room.scheduled.post(SEND_MS, 10, streams_of)).posted
    by_another = posted._replace(messages={GROUP: 3})
    waits = posted._replace(row=later(2, SEND_MS + 1), messages={GROUP: 3})
    assert await room.scheduled.find_posted([posted, by_another, waits]) == [posted, None, None]
    assert await room.scheduled.find_posted([]) == []


async def test_post_announces_what_is_due_once(room: Stores) -> None:
    await send(room, packet(3), later(1), later(2, SEND_MS + 1))
    due = await room.scheduled.post(SEND_MS, 10, streams_of)
    assert [(plain([one.row]), one.messages) for one in due.posted] == [([later(1)], {GROUP: 2})]
    assert (due.refunds, due.taken) == ([], 1)
    assert await waiting(room) == [packet_id(2)]
    assert (await hidden(room, 1), await hidden(room, 2)) == (False, True)
    assert (await room.scheduled.post(SEND_MS, 10, streams_of)).taken == 0
    found = await room.sends.find_outcome([later(1)], streams_of)
    assert [one and one.messages for one in found] == [{GROUP: 2}]


async def test_post_takes_at_most_so_many_the_oldest_first(room: Stores) -> None:
    await send(room, later(1, 30_000), later(2, 10_000), later(3, 20_000))
    due = await room.scheduled.post(SEND_MS, 1, streams_of)
    assert [one.row.packet_id for one in due.posted] == [packet_id(2)]
    assert (await room.scheduled.post(SEND_MS, 10, streams_of)).taken == 2


async def test_cancel_pays_back_once(room: Stores) -> None:
    await send(room, later(1))
    cancelled = await room.scheduled.cancel(packet_id(1), SENDER, 2_000)
    assert cancelled is not None
    assert cancelled.refund is not None
    refund = RefundRow(packet_id(1), SENDER, 900, 2_000, BalanceRow(900, 3), cancelled.refund.xid)
    assert cancelled == Cancelled(900, refund)
    assert await room.scheduled.cancel(packet_id(1), SENDER, 3_000) == Cancelled(900, None)
    assert await balance(room, SENDER) == BalanceRow(900, 3)
    assert (await room.scheduled.post(SEND_MS, 10, streams_of)).taken == 0
    assert await hidden(room, 1)
    assert await room.packets.refund([packet_id(1)], LATER_MS) == []


async def test_cancel_of_a_posted_packet_or_anothers_does_nothing(room: Stores) -> None:
    await send(room, later(1), later(2), packet(3))
    await room.scheduled.post(SEND_MS, 1, streams_of)
    (left,) = await waiting(room)
    posted = {packet_id(1), packet_id(2)} - {left}
    assert await room.scheduled.cancel(posted.pop(), SENDER, 2_000) is None
    assert await room.scheduled.cancel(left, ANNA, 2_000) is None
    assert await room.scheduled.cancel(packet_id(3), SENDER, 2_000) is None
    assert await balance(room, SENDER) == BalanceRow(0, 4)
    assert await room.scheduled.is_senders(left, SENDER)
    assert not await room.scheduled.is_senders(left, ANNA)
    assert not await room.scheduled.is_senders(packet_id(3), SENDER)


async def test_packet_that_has_expired_while_it_waited_is_not_posted_but_due(room: Stores) -> None:
    await send(room, later(1))
    assert await room.packets.due(EXPIRES_MS, 10) == []
    due = await room.scheduled.post(EXPIRES_MS, 10, streams_of)
    assert (due.posted, due.refunds, due.taken) == ([], [], 1)
    assert await room.packets.due(EXPIRES_MS, 10) == [packet_id(1)]
    assert await room.scheduled.cancel(packet_id(1), SENDER, 2_000) is None


async def test_packet_of_a_sender_who_left_or_was_banned_is_returned(room: Stores) -> None:
    await send(room, later(1), later(2, sender=ANNA))
    await room.backend_groups.change(GROUP, 2, [], [ANNA], 2, 500)
    await room.users.ban(SENDER, 1)
    due = await room.scheduled.post(SEND_MS, 10, streams_of)
    assert (due.posted, due.taken) == ([], 2)
    assert [(one.packet_id, one.refunded_fen) for one in due.refunds] == [(packet_id(1), 900), (packet_id(2), 900)]
    assert await hidden(room, 1)
    assert await balance(room, ANNA) == BalanceRow(900, 3)


async def test_packet_to_a_receiver_who_was_banned_is_returned(room: Stores) -> None:
    await send(
        room, later(1, kind="personal", target=BEN, shares=1), later(2, kind="personal", target=ANNA, shares=1)
    )
    await room.users.ban(BEN, 1)
    due = await room.scheduled.post(SEND_MS, 10, streams_of)
    assert [one.packet_id for one in due.refunds] == [packet_id(1)]
    assert [one.messages for one in due.posted] == [{ANNA: 1, SENDER: 1}]


async def test_posted_packet_is_opened_and_refunded_as_any_other(room: Stores) -> None:
    await send(room, later(1))
    await room.scheduled.post(SEND_MS, 10, streams_of)
    await open_packet(room, 1, 0, (ANNA, 100))
    assert await room.packets.due(EXPIRES_MS, 10) == [packet_id(1)]
    assert [one.refunded_fen for one in await room.packets.refund([packet_id(1)], LATER_MS)] == [800]


async def test_sender_may_have_so_many_packets_that_wait(room: Stores) -> None:
    await send(room, *(later(number, fen=3) for number in range(1, WAITING_MAX + 1)))
    await pay_in(room, ANNA, 10)
    rows = [later(201, fen=3), packet(202, fen=3)._replace(sender_id=ANNA), later(203, fen=3, sender=ANNA)]
    sent = await room.sends.record(rows, debit_of, streams_of, SeedsInPlain)
    assert sent[0] is Unsent.LIMIT
    assert [isinstance(one, Sent) for one in sent] == [False, True, True]
