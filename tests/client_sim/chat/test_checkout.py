"""The ways to pay an order, and how long a payment keeps its key."""

from __future__ import annotations

import pytest

from client_sim.chat.money.checkout import (
    PACKET,
    TOP_UP,
    TRANSFER,
    WITHDRAWAL,
    Desk,
    Order,
    Payer,
    first_way,
    packet_order,
    way_named,
    ways_of,
)
from protocol import messages

CARD = messages.CardLine(70, "招商银行", "0128", "**明", "138****1234", 0)
BARE, BANK = Payer(), Payer(takes_cards=True)
BOUND = Payer((CARD,), has_password=True, takes_cards=True, needs_password=True)


@pytest.mark.parametrize(
    ("what", "payer", "balance_fen", "names", "first"),
    [
        (PACKET, BARE, 300, ["wallet"], "wallet"),
        (PACKET, BARE, 299, ["wallet"], "wallet"),
        (PACKET, BANK, 299, ["wallet", "new"], "new"),
        (PACKET, BOUND, 300, ["wallet", "1", "new"], "wallet"),
        (PACKET, BOUND, 299, ["wallet", "1", "new"], "1"),
        (TOP_UP, BARE, 300, [], ""),
        (TOP_UP, BANK, 0, ["new"], "new"),
        (WITHDRAWAL, BOUND, 0, ["1", "new"], "1"),
        (TRANSFER, BOUND, 300, ["wallet"], "wallet"),
    ],
)
def test_ways_of_an_order_and_the_first_of_them(
    what: str, payer: Payer, balance_fen: int, names: list[str], first: str
) -> None:
    ways = ways_of(Order(what, 300, 300), payer, balance_fen)
    assert [way.name for way in ways] == names
    assert not names or ways[first_way(ways)].name == first


def test_way_is_named_by_its_place_or_the_last_digits_of_its_card() -> None:
    ways = ways_of(Order(PACKET, 300, 300), BOUND, 300)
    assert [(way.card_id, way.needs_password) for way in ways] == [(0, True), (70, True), (0, False)]
    for name in ("1", "0128"):
        assert way_named(ways, name) == ways[1]
    assert way_named(ways, "") == ways[0]
    assert way_named(ways, "2") is None


def test_payment_keeps_its_key_while_its_outcome_is_unknown() -> None:
    desk, order = Desk(), packet_order("equal", 5, 100, 3, "")
    assert order.total_fen == 300
    payment = desk.payment_of(order)
    assert desk.payment_of(order).key != payment.key
    desk.begin(payment)
    assert desk.payment_of(order) is payment
    assert desk.payment_of(packet_order("equal", 5, 100, 2, "")) is not payment
    desk.paid(payment)
    assert payment.is_paid
    assert desk.payment_of(order).key != payment.key
