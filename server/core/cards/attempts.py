"""Codes and pay passwords: what each attempt at one does. Pure.

An attempt is counted before its secret is compared. So attempts that are made at the same time cannot exceed the
bound together, and one whose server is killed in between has been counted.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

from server.core.refusals import Reason, RequestRefused

SIX_DIGITS: Final = re.compile(r"[0-9]{6}", re.ASCII)

CODE_LIFETIME_MS: Final = 5 * 60_000
CODE_ATTEMPTS_MAX: Final = 5  # of a challenge, also if its code was sent again
CODE_PAUSE_MS: Final = 60_000  # between two codes to one phone
CODES_OF_DAY_MAX: Final = 20  # sent for one user, or for one card, in 24 hours
DAY_MS: Final = 24 * 3_600_000
BINDS_OF_DAY_MAX: Final = 10  # that the bank declined, of one user or of one number, in 24 hours

PASSWORD_ATTEMPTS_MAX: Final = 5
PASSWORD_LOCK_MS: Final = 3 * 3_600_000


# --- codes ----------------------------------------------------------------------------------------------------


class Challenge(NamedTuple):
    """How far a challenge is. `sends`: how often a code was sent for it. `used_at_ms`: its code was used then."""

    attempts: int
    sends: int
    sent_at_ms: int
    expires_at_ms: int
    used_at_ms: int | None


class ChallengeState(StrEnum):
    """What may still be done with a challenge."""

    OPEN = "open"
    USED = "used"
    TRIED_OUT = "tried_out"
    EXPIRED = "expired"


SPENT: Final = {
    ChallengeState.USED: "the code was used",
    ChallengeState.TRIED_OUT: f"{CODE_ATTEMPTS_MAX} codes were wrong",
    ChallengeState.EXPIRED: "the code has expired",
}


def challenge_state(challenge: Challenge, now_ms: int) -> ChallengeState:
    """The state of a challenge at a time."""
    if challenge.used_at_ms is not None:
        return ChallengeState.USED
    if challenge.attempts >= CODE_ATTEMPTS_MAX:
        return ChallengeState.TRIED_OUT
    return ChallengeState.OPEN if now_ms < challenge.expires_at_ms else ChallengeState.EXPIRED


def code_attempted(challenge: Challenge, now_ms: int) -> Challenge:
    """The challenge with one more attempt, before its code is compared. Raises RequestRefused (code_spent)."""
    state = challenge_state(challenge, now_ms)
    if state is not ChallengeState.OPEN:
        raise RequestRefused(Reason.CODE_SPENT, SPENT[state])
    return challenge._replace(attempts=challenge.attempts + 1)


def code_sent(challenge: Challenge, now_ms: int) -> Challenge:
    """The challenge with another code. Raises RequestRefused (code_spent, code_too_soon).

    The attempts go on: otherwise five more guesses would cost one message. An expired code can be sent again.
    """
    state = challenge_state(challenge, now_ms)
    if state in (ChallengeState.USED, ChallengeState.TRIED_OUT):
        raise RequestRefused(Reason.CODE_SPENT, SPENT[state])
    check_pause(challenge.sent_at_ms, now_ms)
    return challenge._replace(sends=challenge.sends + 1, sent_at_ms=now_ms, expires_at_ms=now_ms + CODE_LIFETIME_MS)


def first_code(now_ms: int) -> Challenge:
    """A challenge whose first code is sent now."""
    return Challenge(0, 1, now_ms, now_ms + CODE_LIFETIME_MS, None)


def check_pause(sent_at_ms: int, now_ms: int) -> None:
    """Raises RequestRefused (code_too_soon) if the last code to the same phone is younger than a minute."""
    wait_ms = sent_at_ms + CODE_PAUSE_MS - now_ms
    if wait_ms > 0:
        raise RequestRefused(Reason.CODE_TOO_SOON, "a code was sent less than a minute ago", wait_ms)


def code_wrong(challenge: Challenge) -> RequestRefused:
    """The refusal of an attempt that was counted and did not fit."""
    return RequestRefused(Reason.CODE_WRONG, f"attempts left: {CODE_ATTEMPTS_MAX - challenge.attempts}")


# --- cards ----------------------------------------------------------------------------------------------------


class DeclinedBinds(NamedTuple):
    """Attempts to bind a card of the last 24 hours that were declined or are being made.

    `user_since_ms`, `number_since_ms`: when the oldest of the user, and of the number, began.
    """

    of_user: int
    of_number: int
    user_since_ms: int
    number_since_ms: int


def check_binds(declined: DeclinedBinds, now_ms: int) -> None:
    """Raises RequestRefused (limit) if a user, or users together with one number, may make no attempt now."""
    rows = (
        (declined.of_user, declined.user_since_ms, "of yours"),
        (declined.of_number, declined.number_since_ms, "with this number"),
    )
    for count, since_ms, whose in rows:
        if count >= BINDS_OF_DAY_MAX:
            minutes = -(-(since_ms + DAY_MS - now_ms) // 60_000)
            detail = f"{BINDS_OF_DAY_MAX} bindings {whose} were declined in 24 hours; the next in {minutes} minutes"
            raise RequestRefused(Reason.LIMIT, detail)


# --- passwords ------------------------------------------------------------------------------------------------


def check_password(text: str) -> None:
    """Raises RequestRefused (password_needed) unless the text could be a pay password."""
    if SIX_DIGITS.fullmatch(text) is None:
        raise RequestRefused(Reason.PASSWORD_NEEDED, "a pay password has six digits")


class Attempts(NamedTuple):
    """Attempts at a password that have failed or are being made, and until when no other one is accepted."""

    failures: int
    locked_until_ms: int


NO_ATTEMPTS: Final = Attempts(0, 0)


def password_attempted(attempts: Attempts, now_ms: int) -> Attempts:
    """The attempts with one more, before its password is compared. Raises RequestRefused (password_locked).

    The last one that is allowed locks; a right password unlocks again.
    """
    if now_ms < attempts.locked_until_ms:
        wait_ms = attempts.locked_until_ms - now_ms
        raise RequestRefused(Reason.PASSWORD_LOCKED, f"locked until: {attempts.locked_until_ms}", wait_ms)
    before = 0 if attempts.locked_until_ms else attempts.failures  # a lock that has ended began with all of them
    failures = before + 1
    return Attempts(failures, now_ms + PASSWORD_LOCK_MS if failures >= PASSWORD_ATTEMPTS_MAX else 0)


def password_wrong(attempts: Attempts, now_ms: int) -> RequestRefused:
    """The refusal of an attempt that was counted and did not fit."""
    if attempts.locked_until_ms:
        wait_ms = max(attempts.locked_until_ms - now_ms, 0)
        return RequestRefused(Reason.PASSWORD_LOCKED, f"locked until: {attempts.locked_until_ms}", wait_ms)
    return RequestRefused(Reason.PASSWORD_WRONG, f"attempts left: {PASSWORD_ATTEMPTS_MAX - attempts.failures}")
