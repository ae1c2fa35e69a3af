"""What is to be paid, and the ways to pay it: the state of a payment between the form and the bank. Pure.

Nothing secret is kept here: no number of a card, no code, no password.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import NamedTuple

from protocol import messages

PACKET, TOP_UP, WITHDRAWAL, TRANSFER = "packet", "topup", "withdraw", "transfer"
BY_WALLET = frozenset({PACKET, TRANSFER})
BY_CARD = frozenset({PACKET, TOP_UP, WITHDRAWAL})
WALLET, NEW_CARD = "wallet", "new"
SEED_BYTES = 32
PER_SHARE = frozenset({"equal", "exclusive"})  # the kinds whose amount is that of one share


class Order(NamedTuple):
    """What a user asks for. `amount_fen` was typed, of the kinds PER_SHARE for one share; `total_fen` is the cost.

    `target_id`: who gets it, a group or a user; 0 is the user's own wallet or card.
    """

    what: str
    amount_fen: int
    total_fen: int
    target_id: int = 0
    kind: str = ""
    shares: int = 1
    text: str = ""
    for_user_ids: tuple[int, ...] = ()
    words: str = ""  # of a password packet: the user's own to tell
    send_at_ms: int = 0  # of a packet that is posted later


def packet_order(
    kind: str,
    target_id: int,
    amount_fen: int,
    shares: int,
    greeting: str,
    for_user_ids: tuple[int, ...] = (),
    words: str = "",
) -> Order:
    """The order of a packet."""
    total_fen = amount_fen * shares if kind in PER_SHARE else amount_fen
    return Order(PACKET, amount_fen, total_fen, target_id, kind, shares, greeting, for_user_ids, words)


@dataclass(slots=True, eq=False)
class Payment:
    """An order with the key and the client seed that it keeps until its outcome is known, however it is paid."""

    order: Order
    key: str = field(default_factory=lambda: secrets.token_hex(16))
    client_seed: bytes = field(default_factory=lambda: secrets.token_bytes(SEED_BYTES))
    waits_for_card: bool = False  # the next card that is bound pays it
    is_paid: bool = False

    def renew(self) -> None:
        """The bank has declined: another try is another payment."""
        self.key = secrets.token_hex(16)


class Payer(NamedTuple):
    """What a user can pay with, besides the wallet. `needs_password`: the wallet pays with the password only."""

    cards: tuple[messages.CardLine, ...] = ()
    has_password: bool = False
    takes_cards: bool = False
    needs_password: bool = False

    @property
    def is_plain(self) -> bool:
        """There is nothing but the wallet on this server, and no password."""
        return not (self.takes_cards or self.cards or self.needs_password)


class Way(NamedTuple):
    """A way to pay: `name` is wallet, new, or the place of a card in the list (1 …)."""

    name: str
    card: messages.CardLine | None = None
    is_short: bool = False  # the wallet holds less
    needs_password: bool = False

    @property
    def card_id(self) -> int:
        """The card that pays; 0: the wallet."""
        return self.card.card_id if self.card is not None else 0


def ways_of(order: Order, payer: Payer, balance_fen: int) -> list[Way]:
    """The ways to pay an order, in the order in which they are offered."""
    ways = []
    if order.what in BY_WALLET:
        ways.append(Way(WALLET, None, balance_fen < order.total_fen, payer.needs_password))
    if order.what in BY_CARD:
        ways += [Way(str(place), card, False, True) for place, card in enumerate(payer.cards, 1)]
        if payer.takes_cards:
            ways.append(Way(NEW_CARD))
    return ways


def first_way(ways: list[Way]) -> int:
    """The place of the way that is chosen at first: the wallet if it holds enough, else the first card."""
    return next((place for place, way in enumerate(ways) if not way.is_short), 0)


def way_named(ways: list[Way], name: str) -> Way | None:
    """The way of a name, or of the last four digits of a card; "" is the first that can pay."""
    if not name:
        return ways[first_way(ways)] if ways else None
    named = (way for way in ways if way.name == name or (way.card is not None and way.card.last4 == name))
    return next(named, None)


class Desk:
    """What a session pays: the payment on the screen, those whose outcome is unknown, the code that is awaited."""

    def __init__(self) -> None:
        self.cancelled: set[int] = set()  # packets whose return is no news
        self.send_at_ms = 0  # when the packet that is being sent is posted; 0: at once
        self.payer: Payer | None = None  # None: not asked since the login
        self.payment: Payment | None = None  # asks for a way to pay
        self.offer: messages.CardOffered | None = None  # a code was sent for it
        self.reset_id = 0  # of the code that was sent to set the password again
        self._unfinished: dict[Order, Payment] = {}

    def payment_of(self, order: Order) -> Payment:
        """The payment of an order: the same one again while its outcome is unknown."""
        return self._unfinished.get(order) or Payment(order)

    def begin(self, payment: Payment) -> None:
        """A request is made: until there is an answer, its outcome is unknown."""
        self._unfinished[payment.order] = payment

    def end(self, payment: Payment) -> None:
        """The outcome is known."""
        self._unfinished.pop(payment.order, None)

    def paid(self, payment: Payment) -> None:
        """It is paid: nothing of it is asked any more."""
        self.end(payment)
        payment.is_paid = True
        if self.payment is payment:
            self.payment = None
