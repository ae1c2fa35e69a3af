"""What went wrong, in words for the user. Pure."""

from __future__ import annotations

import re
import time
from typing import Any, Final

from client_sim.chat.clean import line
from client_sim.chat.commands import BadCommand
from client_sim.chat.texts import TEXTS, text, usage
from client_sim.sdk.errors import BankDeclined, ClientError, Refusal
from client_sim.sdk.methods.card_errors import CodeTooSoon, CodeWrong, LimitReached, PasswordLocked, PasswordWrong
from client_sim.sdk.methods.everyday_errors import WordsWrong
from client_sim.sdk.money import MoneyUnit

# The limits that a detail names: the text, and which of its numbers are amounts.
LIMITS: Final = (
    (re.compile(r"(?P<most>\d+) cards a user"), "refused_limit_cards"),
    (re.compile(r"(?P<most>\d+) codes in 24 hours"), "refused_limit_codes"),
    (re.compile(r"at most (?P<most_fen>\d+) .* a day, (?P<spent_fen>\d+) are paid"), "refused_limit_day"),
    (re.compile(r"one payment may be (?P<least_fen>\d+) to (?P<most_fen>\d+)"), "refused_limit_payment"),
)


def detail_of(error: ClientError) -> str:
    """The details of an error; "" if its name says it all."""
    return error.detail if isinstance(error, Refusal) else str(error)


def in_words(error: BadCommand | ClientError, language: str, money: MoneyUnit) -> str:
    """Why something cannot be done, as the user reads it."""
    if isinstance(error, BadCommand):
        use = f"use_{error.verb}"
        shown = usage(language, use, money) if use in TEXTS else ""
        return text(language, error.key, verb=error.verb, text=error.text, usage=shown)
    if isinstance(error, LimitReached):
        return _limit(error.detail, language, money)
    detail = detail_of(error) or ("-" if isinstance(error, BankDeclined) else "")
    return of_name(error.name, detail, language, **_fields(error))


def of_name(name: str, detail: str, language: str, **fields: Any) -> str:
    """The words for the name of a refusal."""
    key = f"refused_{name}"
    return text(language, key if key in TEXTS else "refused", detail=line(detail) or name, **fields)


def _fields(error: ClientError) -> dict[str, Any]:
    """What the words about an error need besides its detail."""
    if isinstance(error, CodeWrong | PasswordWrong | WordsWrong):
        return {"left": error.attempts_left}
    if isinstance(error, PasswordLocked):
        return {"until": time.strftime("%H:%M", time.localtime(error.locked_until_ms / 1000))}
    if isinstance(error, CodeTooSoon):
        return {"seconds": max(1, -(-error.retry_after_ms // 1000))}
    return {}


def _limit(detail: str, language: str, money: MoneyUnit) -> str:
    for pattern, key in LIMITS:
        if (found := pattern.search(detail)) is not None:
            said = {name.removesuffix("_fen"): (name, int(value)) for name, value in found.groupdict().items()}
            fields = {
                short: money.short(language, value) if name.endswith("_fen") else str(value)
                for short, (name, value) in said.items()
            }
            return text(language, key, **fields)
    return text(language, "refused_limit", detail=line(detail))
