"""The commands on cards, for plain mode. Each raises ClientError, BadCommand. No event tells what was typed."""

from __future__ import annotations

from client_sim.chat.commands import BadCommand
from client_sim.chat.money import card_requests, password_requests, payments
from client_sim.chat.session import Fields, Session


async def cards(session: Session) -> None:
    """One event for each card, then one for all."""
    payer = await card_requests.learn(session)
    for place, one in enumerate(payer.cards, 1):
        masked: Fields = {"bank": one.bank, "last4": one.last4, "holder": one.holder, "phone": one.phone}
        session.emit("card", way=str(place), card=one.card_id, **masked, at_ms=one.bound_at_ms)
    session.emit("cards", count=len(payer.cards), takes_cards=payer.takes_cards, password=payer.has_password)


async def bind(session: Session, number: str, phone: str, holder: str) -> None:
    """Begin to bind a card: the bank sends a code to its phone."""
    if not (await card_requests.learn(session)).takes_cards:
        raise BadCommand("no_cards_here", "bind")
    if not (number and phone and holder):
        raise BadCommand("missing", "bind")
    await card_requests.offer(session, number, holder, phone)


async def code(session: Session, code: str, password: str, again: str) -> None:
    """Bind the card by its code; without one another code is sent. A payment that waits for the card is paid."""
    if not code:
        await card_requests.send_code_again(session)
        return
    card = await card_requests.confirm(session, code, password, again)
    payment = session.desk.payment
    if payment is not None and payment.waits_for_card:
        await payments.pay(session, payment, card.card_id, password)


async def unbind(session: Session, card: str, password: str) -> None:
    """Use a card no more. `card`: its place in the list, or its last four digits."""
    bound = (await card_requests.learn(session)).cards
    for place, one in enumerate(bound, 1):
        if card in (str(place), one.last4):
            await card_requests.unbind(session, one, password)
            return
    raise BadCommand("no_such_card", "unbind")


async def password(session: Session, old: str, new: str, again: str) -> None:
    """Replace the pay password; two words set the first one."""
    await password_requests.replace(session, *((old, new, again) if again else ("", old, new)))


async def reset(session: Session, code: str, new: str, again: str) -> None:
    """Set the pay password by a code; without one a code is sent to the first card."""
    if code:
        await password_requests.reset(session, code, new, again)
    else:
        await password_requests.ask_reset(session)
