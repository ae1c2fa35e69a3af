"""Toasts: the short texts that appear for a while, for events and for errors. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from client_sim.chat.actions import detail_of
from client_sim.chat.commands import BadCommand
from client_sim.chat.session import Event, Session
from client_sim.chat.texts import TEXTS, text, usage
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
    "again",
    "name",
    "reload",
    "added",
}  # events with a text toast_…
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
    if event.word == "opened":
        amount = money.short(language, fields["amount_fen"])
        return Toast(text(language, ANSWERS[fields["answer"]], amount=amount), is_error=not fields["amount_fen"])
    if event.word == "balance" and fields["reason"] in ("top_up", "asked"):
        is_change = bool(fields["change_fen"])
        if fields["arriving_fen"] and not is_change:
            balance, arriving = (
                money.short(language, fields["balance_fen"]),
                money.short(language, fields["arriving_fen"]),
            )
            return Toast(text(language, "toast_arriving", amount=balance, arriving=arriving))
        key, amount_fen = ("toast_top_up", "change_fen") if is_change else ("toast_balance", "balance_fen")
        return Toast(text(language, key, amount=money.short(language, fields[amount_fen])))
    if event.word == "refused":
        return _refused(fields["name"], fields["detail"], language)
    if event.word == "claim" and fields["user"] == session.model.user_id:
        return None  # the user has just opened it and sees the amount on the page
    if event.word in SIMPLE:
        amount = money.short(language, fields.get("amount_fen", fields.get("total_fen", 0)))
        return Toast(text(language, f"toast_{event.word}", **fields, amount=amount))
    return None


def of_error(error: BadCommand | ClientError, language: str, money: MoneyUnit) -> Toast:
    """The toast of a command that cannot be carried out."""
    if isinstance(error, BadCommand):
        use = f"use_{error.verb}"
        shown = usage(language, use, money) if use in TEXTS else ""
        return Toast(text(language, error.key, verb=error.verb, text=error.text, usage=shown), is_error=True)
    return _refused(error.name, detail_of(error), language)


def _refused(name: str, detail: str, language: str) -> Toast:
    key = f"refused_{name}"
    return Toast(text(language, key if key in TEXTS else "refused", detail=detail or name), is_error=True)
