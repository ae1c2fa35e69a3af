"""What a user can do with cards. Each function raises ClientError. Numbers, codes and passwords only pass by."""

from __future__ import annotations

from client_sim.chat.clean import cleaned
from client_sim.chat.commands import BadCommand
from client_sim.chat.money.checkout import Payer
from client_sim.chat.session import Session
from protocol import messages


async def learn(session: Session) -> Payer:
    """What the user can pay with. On a server without cards and passwords it is asked once for each login."""
    desk = session.desk
    if desk.payer is None or not desk.payer.is_plain:
        found = await session.patiently(session.client.cards)
        cards = tuple(cleaned(one) for one in found.cards)
        desk.payer = Payer(cards, found.has_password, found.takes_cards, found.needs_password)
    return desk.payer


async def offer(session: Session, number: str, holder: str, phone: str) -> messages.CardOffered:
    """Ask the bank about a card; it sends a code to the card's phone."""
    offered = cleaned(await session.client.bind_card(number, holder, phone))
    session.desk.offer = offered
    _emit_code(session, offered)
    return offered


async def send_code_again(session: Session) -> messages.CardOffered:
    """Another code for the card that is being bound."""
    offered = _offer(session)
    again = await session.client.send_code_again(offered.challenge_id)
    offered.expires_at_ms = again.expires_at_ms
    _emit_code(session, offered)
    return offered


def _emit_code(session: Session, offered: messages.CardOffered) -> None:
    card = {"bank": offered.bank, "last4": offered.last4, "phone": offered.phone}
    session.emit("code_sent", **card, expires_at_ms=offered.expires_at_ms, sets_password=offered.sets_password)


async def confirm(session: Session, code: str, password: str, again: str) -> messages.CardLine:
    """Bind the card by its code. `password`, with the first card the new one, and then `again` repeats it."""
    offered = _offer(session)
    if offered.sets_password and password != again:
        raise BadCommand("passwords_differ", "code")
    card = cleaned(await session.client.confirm_card(offered.challenge_id, code, password))
    session.desk.offer = None
    session.emit("bound", card=card.card_id, bank=card.bank, last4=card.last4)
    await learn(session)
    return card


def _offer(session: Session) -> messages.CardOffered:
    if session.desk.offer is None:
        raise BadCommand("no_code_sent", "code")
    return session.desk.offer


async def unbind(session: Session, card: messages.CardLine, password: str) -> None:
    """Use a card no more."""
    await session.client.unbind_card(card.card_id, password)
    session.emit("unbound", card=card.card_id, bank=card.bank, last4=card.last4)
    await learn(session)
