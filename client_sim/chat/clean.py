"""Text that users wrote, made safe for a terminal. Pure."""

from __future__ import annotations

import unicodedata
from typing import TypeVar

from protocol import messages
from protocol.money_unit import MoneyUnit

# control, format (can change the direction of a line), surrogate, private use, unassigned, line separators
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# fields whose text comes from users, or from a bank
BY_USERS = ("name", "sender_name", "turn_name", "greeting", "other_name", "bank", "last4", "holder", "phone")
Shown = TypeVar(
    "Shown",
    messages.OpenPageShown,
    messages.ResultPageBody,
    messages.ResultLine,
    messages.GrabStatLine,
    messages.RecordLine,
    messages.StatementLine,
    messages.CardLine,
    messages.CardOffered,
)


def line(text: str) -> str:
    """One line without characters that could move the cursor, or hide or reorder the text beside them."""
    return "".join(
        " " if one in "\r\n\t" else "·" if unicodedata.category(one) in _UNPRINTABLE else one for one in text
    )


def clean_unit(unit: MoneyUnit) -> MoneyUnit:
    """The unit that a server names, made safe for a terminal."""
    return MoneyUnit(line(unit.zh), line(unit.en), line(unit.symbol), unit.decimals)


def cleaned(shown: Shown) -> Shown:
    """The same page or line, with the text of users made safe for a terminal."""
    for name in BY_USERS:
        if hasattr(shown, name):
            setattr(shown, name, line(getattr(shown, name)))
    if isinstance(shown, messages.OpenPageShown):
        shown.for_names = [line(one) for one in shown.for_names]
        if shown.result is not None:
            cleaned(shown.result)
    if isinstance(shown, messages.ResultPageBody):
        shown.claims = [cleaned(one) for one in shown.claims]
    return shown
