"""Toasts: the short texts that appear for a while, for events and for errors. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from client_sim.chat import refusals
from client_sim.chat.commands import BadCommand
from client_sim.chat.session import Event, Session
from client_sim.chat.texts import text
from client_sim.sdk.errors import ClientError
from client_sim.sdk.money import MoneyUnit

TOAST_S = 5.0
HINT_S = 20.0
SIMPLE = {
    "claim",
    "refund",
    "removed",
    "kicked",
    "sent",
    "scheduled",
    "cancelled",
    "again",
    "passed_on",
    "name",
    "reload",
    "added",
    "topped_up",
    "transferred",
    "bound",
    "unbound",
    "code_sent",
    "unknown_yet",
    "password_set",
}  # events with a text toast_…
CAME_IN = {  # texts by the reason of the change
    "top_up": "toast_top_up",
    "transfer": "toast_received_transfer",
    "payout_returned": "toast_payout_returned",
    "card_refund_returned": "toast_card_refund_returned",
}
ANSWERS = {  # to an open without a page
    "won": "state_claimed",
    "claimed": "state_claimed",
    "gone": "state_gone",
    "expired": "state_expired",
    "not_allowed": "not_allowed",
}


class Toast(NamedTuple):
    """What to show, and for how long."""

    text: str
    is_error: bool = False
    seconds: float = TOAST_S


def topup_command(session: Session, options: str) -> str:
    """The command line that gives the user money: 88 of the unit."""
    return f"hongbao topup {session.name or session.model.user_id} {88 * 10**session.money.decimals}{options}"


def of_event(event: Event, session: Session, topup_options: str = "") -> Toast | None:
    """The toast of an event; most events have none."""
    fields: dict[str, Any] = dict(event.fields)
    language, money = session.language, session.money
    if event.word == "welcome" and not fields["balance_fen"] and not session.model.is_first_run:
        return Toast(text(language, "hint_topup", command=topup_command(session, topup_options)), seconds=HINT_S)
    if event.word == "refused":
        return Toast(refusals.of_name(fields["name"], fields["detail"], language), is_error=True)
    if event.word == "claim" and fields["user"] == session.model.user_id:
        return None  # the user has just opened it and sees the amount on the page
    if event.word == "turn" and fields["user"] != session.model.user_id:
        return None
    if event.word in OTHERS:
        return OTHERS[event.word](fields, language, money)
    if event.word in SIMPLE:
        amount = money.short(language, fields.get("amount_fen", fields.get("total_fen", 0)))
        return Toast(text(language, f"toast_{event.word}", **fields, amount=amount))
    return None


def _opened(fields: dict[str, Any], language: str, money: MoneyUnit) -> Toast:
    amount = money.short(language, fields["amount_fen"])
    return Toast(text(language, ANSWERS[fields["answer"]], amount=amount), is_error=not fields["amount_fen"])


def _balance(fields: dict[str, Any], language: str, money: MoneyUnit) -> Toast | None:
    """Money that came in, or the answer to a question; other changes have toasts of their own."""
    reason, change_fen = fields["reason"], fields["change_fen"]
    change = money.short(language, change_fen)
    if reason in CAME_IN:
        return Toast(text(language, CAME_IN[reason], amount=change)) if change_fen > 0 else None
    if reason != "asked":
        return None
    balance, arriving = (money.short(language, fields[name]) for name in ("balance_fen", "arriving_fen"))
    key = "toast_arriving" if fields["arriving_fen"] else "toast_balance"
    return Toast(text(language, key, amount=balance, arriving=arriving))


def _first_packet(fields: dict[str, Any], language: str, money: MoneyUnit) -> Toast:
    return Toast(text(language, "hint_wallet"), seconds=HINT_S)


def _withdrawn(fields: dict[str, Any], language: str, money: MoneyUnit) -> Toast:
    key = "toast_withdrawn" if fields["state"] == "succeeded" else "toast_withdrawal_sent"
    return Toast(text(language, key, amount=money.short(language, fields["amount_fen"])))


def _turn(fields: dict[str, Any], language: str, money: MoneyUnit) -> Toast:
    return Toast(text(language, "toast_turn", amount=money.short(language, fields["amount_fen"])), seconds=HINT_S)


def _relay(fields: dict[str, Any], language: str, money: MoneyUnit) -> Toast:
    return Toast(text(language, "toast_relay" if fields["times"] else "toast_relay_0", times=fields["times"]))


OTHERS: dict[str, Callable[[dict[str, Any], str, MoneyUnit], Toast | None]] = {
    "opened": _opened,
    "balance": _balance,
    "first_packet": _first_packet,
    "withdrawn": _withdrawn,
    "turn": _turn,
    "relay": _relay,
}


def of_error(error: BadCommand | ClientError, language: str, money: MoneyUnit) -> Toast:
    """The toast of a command that cannot be carried out."""
    return Toast(refusals.in_words(error, language, money), is_error=True)
