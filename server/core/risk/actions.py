"""What a rule may ask for, from the mildest to the strictest, and what a verdict does to requests."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class RiskAction(StrEnum):
    """In their order: of the rules that hit, the strictest names the decision."""

    ALLOW = "allow"
    DELAY = "delay"  # withdrawals wait
    CHALLENGE = "challenge"  # the chat backend is asked to make sure that this is a person
    REVIEW = "review"  # the chat backend is asked to have a person look
    LIMIT = "limit"  # at most so much is sent in a day
    DENY = "deny"  # nothing leaves the wallet while the rule hits
    FREEZE = "freeze"  # nothing leaves the wallet until an operator releases the user


STRICTNESS: Final = {action: place for place, action in enumerate(RiskAction)}
HOLDS_WITHDRAWALS: Final = frozenset({RiskAction.DELAY, RiskAction.DENY, RiskAction.FREEZE})
HOLDS_SENDS: Final = frozenset({RiskAction.DENY, RiskAction.FREEZE})
TOLD_TO_BACKEND: Final = frozenset({RiskAction.CHALLENGE, RiskAction.REVIEW})


class RiskVerdict(NamedTuple):
    """What is in force for a user: all effects of all rules that hit, under the name of the strictest one.

    `says` is told to a user whose request is refused. `send_fen_a_day` None: any amount.
    """

    action: RiskAction = RiskAction.ALLOW
    holds_withdrawals: bool = False
    send_fen_a_day: int | None = None
    says: str = ""

    @property
    def holds_sends(self) -> bool:
        """Nothing may be sent."""
        return self.action in HOLDS_SENDS


ALLOWED: Final = RiskVerdict()
