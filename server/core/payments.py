"""Payments: money that comes in from another book, or goes out to it, as one table of states and evidence. Pure.

A payment is `created` before the other book is asked, and `submitted` from the first call on. It ends only with a
definite answer, which is signed. Everything else, silence included, makes it `unknown`: it is asked again under the
same number. A payment that has ended never changes; evidence against that is a break, which people look into.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

BACKOFF_MS: Final = (1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 300_000, 900_000)


class PaymentKind(StrEnum):
    """The direction of the money."""

    CHARGE = "charge"  # from outside into a wallet, for the packet that it pays
    PAYOUT = "payout"  # from a wallet to the outside
    REFUND = "refund"  # from a wallet back to the card of a charge


class PaymentState(StrEnum):
    """What is known of a payment."""

    CREATED = "created"
    SUBMITTED = "submitted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """What a piece of evidence says."""

    SUBMITTED = "submitted"  # our own: a call begins now
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NOT_FOUND = "not_found"  # a query was answered: the other book has no such number, so far
    UNKNOWN = "unknown"
    CONTRADICTORY = "contradictory"  # signed, and says another amount, user or kind


class Evidence(NamedTuple):
    """One piece of evidence. `source`: the call that was answered, or not. `detail` is for people."""

    source: str
    verdict: Verdict
    detail: str = ""


class Order(NamedTuple):
    """What a gateway is asked to do. `number` is the idempotency key of each call about it.

    `token`: the bank's name of the user's card, where the gateway takes cards. `repr` hides it. `of_number`: the
    charge that a refund gives back.
    """

    number: int
    kind: PaymentKind
    user_id: int
    amount_fen: int
    token: str = ""
    of_number: int = 0

    def __repr__(self) -> str:
        return f"Order({self.kind.value} {self.number}: {self.amount_fen} fen of user {self.user_id})"


class Step(NamedTuple):
    """What a piece of evidence does: the state after it, whether it ends the payment, or contradicts its end."""

    state: PaymentState
    ends: bool = False
    is_break: bool = False


ENDED: Final = (PaymentState.SUCCEEDED, PaymentState.FAILED)
OPEN: Final = (PaymentState.CREATED, PaymentState.SUBMITTED, PaymentState.UNKNOWN)
_BEGIN: Final = Step(PaymentState.SUBMITTED)
_UNKNOWN: Final = Step(PaymentState.UNKNOWN)
_AFTER: Final = {
    Verdict.SUBMITTED: _BEGIN,
    Verdict.SUCCEEDED: Step(PaymentState.SUCCEEDED, ends=True),
    Verdict.FAILED: Step(PaymentState.FAILED, ends=True),
    Verdict.NOT_FOUND: _UNKNOWN,
    Verdict.UNKNOWN: _UNKNOWN,
    Verdict.CONTRADICTORY: Step(PaymentState.UNKNOWN, is_break=True),
}
# What contradicts an end. Silence does not, nor the same answer again, nor an older answer to a query (not found).
_AGAINST: Final = {
    PaymentState.SUCCEEDED: (Verdict.FAILED, Verdict.CONTRADICTORY),
    PaymentState.FAILED: (Verdict.SUCCEEDED, Verdict.CONTRADICTORY),
}


def is_new(before: PaymentState, verdict: Verdict) -> bool:
    """Whether a piece of evidence is worth a row: it says something, or the payment is still open."""
    return before not in ENDED or verdict in _AGAINST[before]


def step(before: PaymentState, verdict: Verdict) -> Step:
    """What a piece of evidence does to a payment in this state."""
    if before in ENDED:
        return Step(before, is_break=verdict in _AGAINST[before])
    return _AFTER[verdict]


def wait_ms(attempts: int, random_part: float) -> int:
    """The time until an unknown payment is asked again, after so many attempts. `random_part` is in [0, 1)."""
    longest = BACKOFF_MS[min(max(attempts, 1), len(BACKOFF_MS)) - 1]
    return int(longest * (0.75 + random_part / 4))
