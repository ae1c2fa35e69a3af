"""The limit of what a user may pay in a Beijing day."""

from __future__ import annotations

from server.core.beijing_year import day_begin_ms
from server.core.refusals import Reason, RequestRefused
from storage.postgres.cards.payers import DayLimit, OverDayLimit


class DayLimits:
    """What a user may pay in a Beijing day, from the config."""

    def __init__(self, limit_fen: int, smallest: str) -> None:
        """`limit_fen` 0: any amount; a reload changes it. `smallest`: what an amount counts, as people say it."""
        self.limit_fen, self._smallest = limit_fen, smallest

    def of(self, now_ms: int) -> DayLimit:
        """The limit of the day of a time."""
        return DayLimit(day_begin_ms(now_ms), self.limit_fen)

    def refusal(self, over: OverDayLimit) -> RequestRefused:
        """The refusal of an amount that is too much for the day."""
        detail = f"at most {self.limit_fen} {self._smallest} a day, {over.spent_fen} are paid"
        return RequestRefused(Reason.LIMIT, detail)
