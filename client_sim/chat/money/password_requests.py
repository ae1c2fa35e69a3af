"""The pay password: set for the first time, replaced, reset by a code. Each function raises ClientError."""

from __future__ import annotations

from client_sim.chat.commands import BadCommand
from client_sim.chat.money import card_requests
from client_sim.chat.session import Session


async def replace(session: Session, old: str, new: str, again: str) -> None:
    """Another password. `old` "": the first one, where users without a card need one."""
    _check_same("password", new, again)
    await session.client.set_password(old, new)
    await _tell(session)


async def ask_reset(session: Session) -> None:
    """Send a code to the phone of the first card."""
    cards = (await card_requests.learn(session)).cards
    if not cards:
        raise BadCommand("no_such_card", "reset")
    sent = await session.client.ask_password_reset(cards[0].card_id)
    session.desk.reset_id = sent.challenge_id
    card = {"bank": cards[0].bank, "last4": cards[0].last4, "phone": cards[0].phone}
    session.emit("code_sent", **card, expires_at_ms=sent.expires_at_ms, sets_password=True)


async def reset(session: Session, code: str, new: str, again: str) -> None:
    """Set the password by that code; this also ends a lock."""
    if not session.desk.reset_id:
        raise BadCommand("no_reset_code", "reset")
    _check_same("reset", new, again)
    await session.client.reset_password(session.desk.reset_id, code, new)
    session.desk.reset_id = 0
    await _tell(session)


def _check_same(verb: str, new: str, again: str) -> None:
    if new != again:
        raise BadCommand("passwords_differ", verb)


async def _tell(session: Session) -> None:
    session.emit("password_set")
    session.desk.payer = None
    await card_requests.learn(session)
