"""Packets that simulated users schedule: what the witness finds, and a crowd that schedules and cancels."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from client_sim.sim.books import Order
from client_sim.sim.witness import Witness
from protocol.messages import Opened, PacketPosted, PacketSent

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
    assert [book.packet_id for book in witness.waiting()] == [PACKET]
    witness.record_listed(PACKET, True)
    witness.record_push(WEI, POSTED)
    witness.record_not_cancelled(PACKET)
    assert witness.waiting() == []
    assert witness.contradictions() == []


def test_cancelled_packet_waits_no_more(witness: Witness) -> None:
    witness.record_cancel(PACKET, 200)
    assert witness.waiting() == []
    assert witness.contradictions() == []


LIES: dict[str, tuple[Telling, str]] = {
    "too early": (
        lambda witness: witness.record_push(WEI, msgspec.structs.replace(POSTED, at_ms=TIME_MS - 7)),
        "was posted 7 ms before its time",
    ),
    "not shown": (lambda witness: witness.record_listed(PACKET, False), "its sender was not shown it"),
    "too little back": (lambda witness: witness.record_cancel(PACKET, 199), "199 of 200 fen came back"),
    "both": (
        lambda witness: (witness.record_cancel(PACKET, 200), witness.record_not_cancelled(PACKET))[0],
        "its sender was told that it was posted",
    ),
    "cancelled and posted": (
        lambda witness: (witness.record_cancel(PACKET, 200), witness.record_push(WEI, POSTED))[0],
        "was cancelled, and yet posted",
    ),
    "cancelled and opened": (
        lambda witness: (
            witness.record_cancel(PACKET, 200),
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
