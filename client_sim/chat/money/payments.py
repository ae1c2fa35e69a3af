"""What a user can pay: packets, top-ups, withdrawals, transfers. Each function raises ClientError.

An order that the wallet pays without a password is paid at once. Of every other one an event `checkout` tells the
ways to pay, and `pay` goes on with it: the same payment, with the same key and the same client seed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from client_sim.chat.commands import BadCommand
from client_sim.chat.money import card_requests
from client_sim.chat.money.checkout import (
    BY_WALLET,
    NEW_CARD,
    PACKET,
    TOP_UP,
    TRANSFER,
    WITHDRAWAL,
    Order,
    Payment,
    Way,
    ways_of,
)
from client_sim.chat.session import Fields, Session
from client_sim.sdk.errors import (
    BankDeclined,
    BankUnknown,
    ClientError,
    NotEnoughMoney,
)
from client_sim.sdk.methods.card_errors import is_outcome

UNKNOWN_PATIENCE_S: Final = 60.0  # so long a payment is asked about before the user is told to come back
ASK_AGAIN_S: Final = 0.5  # the shortest wait before it is asked about again


async def begin(session: Session, order: Order, payment: Payment | None = None) -> Payment:
    """Pay an order from the wallet, or ask how it is to be paid. `payment`: the one that it has already."""
    payer = await card_requests.learn(session)
    payment = payment or session.desk.payment_of(order)
    ways = ways_of(order, payer, session.model.balance_fen)
    if not ways:
        raise BadCommand("no_cards_here", order.what)
    if order.what in BY_WALLET and not payer.cards and not payer.needs_password:
        try:
            await pay(session, payment)
            return payment
        except NotEnoughMoney:
            if len(ways) == 1:  # a card cannot help
                raise
            wallet = await session.client.wallet()
            session.take_wallet(wallet.balance_fen, wallet.arriving_fen, 0, "short")
            ways = ways_of(order, payer, wallet.balance_fen)
    payment.waits_for_card = not any(not way.is_short and way.name != NEW_CARD for way in ways)
    session.desk.payment = payment
    _emit_checkout(session, order, ways)
    return payment


def _emit_checkout(session: Session, order: Order, ways: list[Way]) -> None:
    balance_fen = session.model.balance_fen
    session.emit("checkout", what=order.what, amount_fen=order.total_fen, balance_fen=balance_fen)
    for way in ways:
        bank, last4 = (way.card.bank, way.card.last4) if way.card is not None else ("", "")
        session.emit("way", way=way.name, bank=bank, last4=last4, short=way.is_short, password=way.needs_password)


async def pay(session: Session, payment: Payment, card_id: int = 0, password: str = "") -> None:
    """Pay by a card, or from the wallet (0). While the outcome is unknown, ask again with the same key."""
    desk, loop = session.desk, asyncio.get_running_loop()
    give_up_at, is_told = loop.time() + UNKNOWN_PATIENCE_S, False
    desk.begin(payment)
    while True:
        try:
            await ORDERS[payment.order.what](session, payment, card_id, password)
            break
        except BankUnknown as error:
            password = ""  # the payment is recorded: it was allowed
            wait_s = max(error.retry_after_ms / 1000, ASK_AGAIN_S)
            if loop.time() + wait_s > give_up_at:
                raise
            if not is_told:
                session.emit("unknown_yet", what=payment.order.what, amount_fen=payment.order.total_fen)
                is_told = True
            await asyncio.sleep(wait_s)
        except ClientError as error:
            if is_outcome(error):
                desk.end(payment)
            if isinstance(error, BankDeclined):
                payment.renew()
            raise


async def _send(session: Session, payment: Payment, card_id: int, password: str) -> None:
    one = payment.order
    content = one.kind, one.target_id, one.amount_fen, one.shares, one.text, payment.key, payment.client_seed
    more: dict[str, Any] = {"for_user_ids": one.for_user_ids, "words": one.words, "send_at_ms": one.send_at_ms}
    sent = await session.client.send_packet(*content, card_id=card_id, password=password, **more)
    session.desk.paid(payment)
    about: Fields = {"kind": one.kind, "total_fen": sent.total_fen, "shares": one.shares}
    if one.send_at_ms:
        later: Fields = {"at_ms": one.send_at_ms, "when": when(one.send_at_ms)}
        session.emit("scheduled", packet=sent.packet_id, **about, **later)
    else:
        session.emit("sent", packet=sent.packet_id, **about)


def when(at_ms: int) -> str:
    """The local day and time of day."""
    return time.strftime("%m-%d %H:%M", time.localtime(at_ms / 1000))


async def _top_up(session: Session, payment: Payment, card_id: int, password: str) -> None:
    done = await session.client.top_up_by_card(card_id, payment.order.amount_fen, password, payment.key)
    session.desk.paid(payment)
    session.emit("topped_up", payment=done.payment_id, state=done.state, amount_fen=done.amount_fen)


async def _withdraw(session: Session, payment: Payment, card_id: int, password: str) -> None:
    done = await session.client.withdraw_to_card(card_id, payment.order.amount_fen, password, payment.key)
    session.desk.paid(payment)
    session.emit("withdrawn", payment=done.payment_id, state=done.state, amount_fen=done.amount_fen)


async def _transfer(session: Session, payment: Payment, card_id: int, password: str) -> None:
    one = payment.order
    await session.client.transfer(one.target_id, one.amount_fen, one.text, password, payment.key)
    session.desk.paid(payment)
    name = await session.name_of(one.target_id)
    session.emit("transferred", user=one.target_id, name=name, amount_fen=one.amount_fen)


ORDERS: Final[dict[str, Callable[[Session, Payment, int, str], Awaitable[None]]]] = {
    PACKET: _send,
    TOP_UP: _top_up,
    WITHDRAWAL: _withdraw,
    TRANSFER: _transfer,
}
