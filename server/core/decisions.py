"""What a packet decides: answers, and the claims and tickets that they carry.

Plain classes, because compiled code makes and reads them at every grab and open (see server/compiled). They never
change, and are equal if all their values are.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Answer(StrEnum):
    """Everything that a grab or an open can answer."""

    TICKET = "ticket"
    WON = "won"
    CLAIMED = "claimed"
    GONE = "gone"
    EXPIRED = "expired"
    BUSY = "busy"
    NOT_ALLOWED = "not_allowed"
    NO_TICKET = "no_ticket"
    WORDS_NEEDED = "words_needed"


# Asked for at every open; reading a member off its class costs a call (Python 3.11).
WON: Final = Answer.WON
CLAIMED: Final = Answer.CLAIMED


class Claim:
    """One user's share: its index from 0, its amount, when it was opened."""

    __slots__ = ("amount_fen", "at_ms", "index", "user_id")

    def __init__(self, index: int, user_id: int, amount_fen: int, at_ms: int) -> None:
        self.index: Final = index
        self.user_id: Final = user_id
        self.amount_fen: Final = amount_fen
        self.at_ms: Final = at_ms

    def _values(self) -> tuple[int, int, int, int]:
        return self.index, self.user_id, self.amount_fen, self.at_ms

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Claim) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return f"Claim{self._values()}"


class Ticket:
    """An admission: the number to show at the opening, when it was given, and when it lapses."""

    __slots__ = ("given_at_ms", "lapses_at_ms", "number")

    def __init__(self, number: int, given_at_ms: int, lapses_at_ms: int) -> None:
        self.number: Final = number
        self.given_at_ms: Final = given_at_ms
        self.lapses_at_ms: Final = lapses_at_ms

    def _values(self) -> tuple[int, int, int]:
        return self.number, self.given_at_ms, self.lapses_at_ms

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ticket) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return f"Ticket{self._values()}"


class Decision:
    """An answer with what belongs to it: a claim (won, claimed), a ticket, or a time to wait (busy)."""

    __slots__ = ("answer", "claim", "left_shares", "retry_after_ms", "ticket")

    def __init__(
        self,
        answer: Answer,
        claim: Claim | None = None,
        ticket: Ticket | None = None,
        retry_after_ms: int = 0,
        left_shares: int = 0,
    ) -> None:
        """`left_shares`: of won and claimed, what was left after this claim."""
        self.answer: Final = answer
        self.claim: Final = claim
        self.ticket: Final = ticket
        self.retry_after_ms: Final = retry_after_ms
        self.left_shares: Final = left_shares

    def _values(self) -> tuple[Answer, Claim | None, Ticket | None, int, int]:
        return self.answer, self.claim, self.ticket, self.retry_after_ms, self.left_shares

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decision) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return f"Decision{self._values()}"


GONE: Final = Decision(Answer.GONE)
EXPIRED: Final = Decision(Answer.EXPIRED)
NOT_ALLOWED: Final = Decision(Answer.NOT_ALLOWED)
NO_TICKET: Final = Decision(Answer.NO_TICKET)
WORDS_NEEDED: Final = Decision(Answer.WORDS_NEEDED)
