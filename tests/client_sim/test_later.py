"""Packets that simulated users schedule: what the witness finds, and a crowd that schedules and cancels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import msgspec
import pytest

from client_sim.sim import later, scenarios, steps
from client_sim.sim.books import Order
from client_sim.sim.witness import Witness
from protocol.messages import Opened, PacketPosted, PacketSent
from tests.conftest import Server, token

GROUP, PACKET = 2**60, 2**61
LIN, WEI = 1, 2
TIME_MS = 50_000
ORDER = Order(LIN, "equal", GROUP, 100, 2, send_at_ms=TIME_MS)
SENT = PacketSent(1, PACKET, 200, b"c" * 32, 99)
POSTED = PacketPosted(0, GROUP, 1, LIN, TIME_MS, PACKET, "equal", 2, "", b"c" * 32, 99)
Telling = Callable[[Witness], None]


@pytest.fixture
def witness() -> Witness:
    """Lin has scheduled a packet for the group."""
    witness = Witness()
    for user_id in (LIN, WEI):
        witness.streams.allow(user_id, GROUP)
    witness.record_send(ORDER, SENT)
    return witness


def test_scheduled_packet_waits_until_it_is_posted_or_cancelled(witness: Witness) -> None:
    assert [book.packet_id for book in witness.later.waiting()] == [PACKET]
    witness.later.record_listed(PACKET, True)
    witness.record_push(WEI, POSTED)
    witness.later.record_not_cancelled(PACKET)
    assert witness.later.waiting() == []
    assert witness.contradictions() == []


def test_cancelled_packet_waits_no_more(witness: Witness) -> None:
    witness.later.record_cancel(PACKET, 200)
    assert witness.later.waiting() == []
    assert witness.contradictions() == []


LIES: dict[str, tuple[Telling, str]] = {
    "too early": (
        lambda witness: witness.record_push(WEI, msgspec.structs.replace(POSTED, at_ms=TIME_MS - 7)),
        "was posted 7 ms before its time",
    ),
    "not shown": (lambda witness: witness.later.record_listed(PACKET, False), "its sender was not shown it"),
    "too little back": (lambda witness: witness.later.record_cancel(PACKET, 199), "199 of 200 fen came back"),
    "both": (
        lambda witness: (witness.later.record_cancel(PACKET, 200), witness.later.record_not_cancelled(PACKET))[0],
        "its sender was told that it was posted",
    ),
    "cancelled and posted": (
        lambda witness: (witness.later.record_cancel(PACKET, 200), witness.record_push(WEI, POSTED))[0],
        "was cancelled, and yet posted",
    ),
    "cancelled and opened": (
        lambda witness: (
            witness.later.record_cancel(PACKET, 200),
            witness.record_open(WEI, Opened(1, PACKET, "won", 100, 0), 1.0),
        )[0],
        "opened by 1 users",
    ),
}


@pytest.mark.parametrize(("tell", "finding"), LIES.values(), ids=LIES)
def test_every_lie_about_a_scheduled_packet_is_found(witness: Witness, tell: Telling, finding: str) -> None:
    tell(witness)
    found = witness.contradictions()
    assert any(finding in one for one in found), found


@pytest.mark.long
async def test_users_of_a_crowd_schedule_and_cancel_on_a_server(server: Server) -> None:
    """Some packets are posted, and opened; some are cancelled in time, others too late; nothing contradicts."""
    crowd = scenarios.prepare("crowd", server.url, token, users=16, groups=2, seconds=1.0, seed=5)
    try:
        await steps.gather(crowd)
        crowd.begin("chatting")
        works = (user.tasks.guard(later.schedule(user, Random(place))) for place, user in enumerate(crowd.users))
        await asyncio.gather(*works)
        await asyncio.gather(*(user.tasks.finish() for user in crowd.users))
        posted = next(one for one in crowd.witness.packets.values() if one.posted and one.order.send_at_ms)
        sender = next(user for user in crowd.users if user.user_id == posted.order.sender_id)
        await later.cancel(sender, posted.packet_id)  # too late
        await steps.wind_down(crowd)
        await steps.check(crowd)
    finally:
        await steps.leave(crowd)
    witness = crowd.witness
    assert (witness.contradictions(), witness.failures) == ([], [])
    books = [book for book in witness.packets.values() if book.order is not None and book.order.send_at_ms]
    assert len(books) > 10
    assert sum(book.cancelled_fen is not None for book in books) > 2
    assert sum(book.posted is not None for book in books) > 2
    assert any(book.shares for book in books)
    assert any(book.told_posted for book in books)
