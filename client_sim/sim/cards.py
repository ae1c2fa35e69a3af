"""Simulated users with cards of a simulated bank: they bind one, pay packets by it, top up and withdraw."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

from client_sim.bank.desk import NoBank
from client_sim.bank.faults import Fault, card_number
from client_sim.sdk.backoff import patiently
from client_sim.sdk.client import Client
from client_sim.sdk.errors import BankAway, BankDeclined, BankUnknown
from client_sim.sdk.methods.card_errors import LimitReached
from client_sim.sim.books import Order
from protocol import messages

if TYPE_CHECKING:
    from client_sim.sim.characters import Character
    from client_sim.sim.sim_context import SimContext

PASSWORD: Final = "246810"
PATIENCE_S: Final = 20.0  # for a payment whose outcome is unknown: the same key again
CARDS_MOST: Final = 10_000_000  # test cards with no fault
TOP_UPS_FEN: Final = (1_000, 5_000, 10_000)
WITHDRAWALS_FEN: Final = (100, 200, 500, 1_000)
# What users do besides with a card, and its weight among their other acts.
CARD_ACTS: Final[Mapping[str, float]] = {"top_up": 0.15, "withdraw": 0.2}
# These can happen to any user with a card.
EXPECTED: Final = (BankAway, BankDeclined, BankUnknown, LimitReached)


class CardHolder:
    """The card of a user. Without a bank, or for characters without one, there is none, and wallets pay.

    All choices come from the seed, and from random numbers of their own: without a bank a crowd acts as always.
    """

    def __init__(self, user_id: int, name: str, character: Character, context: SimContext, seed: int) -> None:
        self._user_id, self._name, self._context = user_id, name, context
        self._rng = Random(f"{seed}/{user_id}/cards")
        self._pays_by_card = character.pays_by_card
        self.is_wanted = self._rng.random() < character.card
        self.bind_at = self._rng.uniform(0.0, 0.2)  # the part of the run
        self.card_id = 0

    @property
    def acts(self) -> Mapping[str, float]:
        """What a user with a card does besides."""
        return CARD_ACTS if self.has_bank else {}

    @property
    def has_bank(self) -> bool:
        """Whether this user has a card, or gets one."""
        return self.is_wanted and self._context.bank is not None

    async def bind(self, client: Client) -> None:
        """Bind the user's card by the code that the bank sends; one that was bound in an earlier run is used."""
        bank = self._context.bank
        assert bank is not None
        cards = (await client.cards()).cards
        if not cards:
            phone = f"138{self._user_id % 10**8:08d}"
            number = card_number(Fault.NONE, self._user_id % CARDS_MOST)
            offered = await client.bind_card(number, self._name, phone)
            try:
                code = await bank.code(phone)
            except NoBank as error:
                self._context.witness.record_failure(self._name, error)
                return
            cards = [await client.confirm_card(offered.challenge_id, code, PASSWORD)]
        self.card_id = cards[0].card_id
        self._context.payments["bound"] += 1
        self._context.show("bound", name=self._name, bank=cards[0].bank, last4=cards[0].last4)

    async def send(self, client: Client, order: Order, greeting: str) -> messages.PacketSent:
        """Send a packet, by card or from the wallet, as this user pays."""
        terms = (order.kind, order.target_id, order.amount_fen, order.shares, greeting)
        words = greeting if order.kind == "password" else ""
        send = partial(client.send_packet, *terms, for_user_ids=order.for_user_ids, words=words)
        send = partial(send, send_at_ms=order.send_at_ms)
        if not self.card_id or order.send_at_ms or self._rng.random() >= self._pays_by_card:
            password = PASSWORD if self.has_bank else ""  # a card may be bound at this moment
            return await send(password=password)
        pay = partial(send, key=secrets.token_hex(16), card_id=self.card_id, password=PASSWORD)
        sent = await patiently(pay, PATIENCE_S)
        self._context.payments["packets"] += 1
        self._context.show("paid_by_card", name=self._name, amount=self._context.amount(sent.total_fen))
        return sent

    async def top_up(self, client: Client, rng: Random) -> None:
        """Move money from the card into the wallet."""
        if self.card_id:
            amount_fen, key = rng.choice(TOP_UPS_FEN), secrets.token_hex(16)
            await patiently(partial(client.top_up_by_card, self.card_id, amount_fen, PASSWORD, key), PATIENCE_S)
            self._context.payments["top_ups"] += 1
            self._context.show("topped_up", name=self._name, amount=self._context.amount(amount_fen))

    async def withdraw(self, client: Client, rng: Random) -> None:
        """Move money from the wallet to the card."""
        if self.card_id:
            amount_fen, key = rng.choice(WITHDRAWALS_FEN), secrets.token_hex(16)
            await patiently(partial(client.withdraw_to_card, self.card_id, amount_fen, PASSWORD, key), PATIENCE_S)
            self._context.payments["withdrawals"] += 1
            self._context.show("withdrew", name=self._name, amount=self._context.amount(amount_fen))
