"""Whether the other side of a gateway responds at all, from the calls that got an answer and those that did not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

AWAY_AFTER: Final = 5  # calls without an answer, one after the other
AWAY_S: Final = 5.0  # so long no new charge is begun; then one call finds out


class AwayDetector:
    """Away after some calls without an answer; after a while one call may find out again."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._unanswered = 0
        self._away_until_s = float("-inf")

    @property
    def is_away(self) -> bool:
        """The last calls got no answer, and it is not time yet to try again."""
        return self._now_s() < self._away_until_s

    def answered(self) -> None:
        """A call got an answer, whatever it was."""
        self._unanswered, self._away_until_s = 0, float("-inf")

    def unanswered(self) -> None:
        """A call got none."""
        self._unanswered += 1
        if self._unanswered >= AWAY_AFTER:
            self._away_until_s = self._now_s() + AWAY_S
