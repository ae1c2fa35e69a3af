"""The refusals of requests on cards, codes and pay passwords."""

from __future__ import annotations

import re
from typing import Final

from client_sim.sdk.errors import KeyReused, Refusal
from protocol import codes


class BadCard(Refusal):
    """The number, holder or phone cannot be those of a card, or the user has no such card."""

    CODE = codes.Refusal.BAD_CARD


class CardTaken(Refusal):
    """Another user has bound this card, under another name."""

    CODE = codes.Refusal.CARD_TAKEN


class CodeWrong(Refusal):
    """The code does not fit. `attempts_left`: of this challenge."""

    CODE = codes.Refusal.CODE_WRONG

    @property
    def attempts_left(self) -> int:
        """How many codes may still be tried."""
        return number_in(self.detail)


class CodeSpent(Refusal):
    """The code was used, has expired, or was tried too often: ask for another one."""

    CODE = codes.Refusal.CODE_SPENT


class CodeTooSoon(Refusal):
    """A code was sent less than a minute ago. `retry_after_ms`: until another one may be sent."""

    CODE = codes.Refusal.CODE_TOO_SOON


class PasswordWrong(Refusal):
    """The pay password does not fit."""

    CODE = codes.Refusal.PASSWORD_WRONG

    @property
    def attempts_left(self) -> int:
        """How many passwords may still be tried, before none is accepted for hours."""
        return number_in(self.detail)


class PasswordLocked(Refusal):
    """Too many pay passwords were wrong. A reset by a code ends the lock."""

    CODE = codes.Refusal.PASSWORD_LOCKED

    @property
    def locked_until_ms(self) -> int:
        """When passwords are accepted again, milliseconds since 1970."""
        return number_in(self.detail)


class PasswordNeeded(Refusal):
    """The request needs the pay password, six digits."""

    CODE = codes.Refusal.PASSWORD_NEEDED


class LimitReached(Refusal):
    """Over a limit of payments, cards or codes; `detail` names it."""

    CODE = codes.Refusal.LIMIT


class NeedsTls(Refusal):
    """Cards and passwords are taken over TLS or from the same machine only."""

    CODE = codes.Refusal.NEEDS_TLS


SAY_NOTHING: Final = (KeyReused, PasswordNeeded, NeedsTls)


def is_outcome(error: BaseException) -> bool:
    """Whether an error says what has become of a request that moves money: only a refusal for good does.

    Those of SAY_NOTHING come before the key is looked for, or are about the way of paying alone: they do not say
    what an earlier request with the same key has done.
    """
    return isinstance(error, Refusal) and not error.temporary and not isinstance(error, SAY_NOTHING)


def number_in(detail: str) -> int:
    """The number at the end of a detail; 0 without one."""
    found = re.search(r"(\d+)$", detail)
    return int(found[1]) if found else 0
