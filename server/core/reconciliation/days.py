"""Days of statements, which are those of Beijing: which a payment may stand in, which statement is missing. Pure.

A bank books a payment between the moment when we recorded it and the moment when we learned of its end. Its clock
may differ from ours by what a signature may differ (SKEW_MS). So a payment around midnight has two days.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from server.core.beijing_year import BEIJING

DAY_MS: Final = 86_400_000
SKEW_MS: Final = 300_000
DUE_H: Final = 11  # of the next day: the statement of a day should be there
LOOK_BACK_DAYS: Final = 31  # a statement that is missing for longer is not told any more
DOUBT_DAYS: Final = 2  # after its day a payment that the bank does not have is in doubt: T+2 may bring it
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class DayRange(NamedTuple):
    """The first and the last day that a payment may stand in."""

    first: date
    last: date

    def days(self) -> Iterator[date]:
        """All of them, in order."""
        return (self.first + timedelta(days=day) for day in range((self.last - self.first).days + 1))


def day_of(at_ms: int) -> date:
    """The day of a moment (milliseconds since 1970)."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(BEIJING).date()


def first_ms(day: date) -> int:
    """The first moment of a day, in milliseconds since 1970."""
    return (datetime(day.year, day.month, day.day, tzinfo=BEIJING) - _EPOCH) // timedelta(milliseconds=1)


def days_of(created_at_ms: int, ended_at_ms: int) -> DayRange:
    """The days that a payment may stand in."""
    return DayRange(day_of(created_at_ms - SKEW_MS), day_of(ended_at_ms + SKEW_MS))


def doubt_ends_ms(last: date) -> int:
    """Until then a payment that the bank does not have is in doubt: the end of T+2. `last`: as in DayRange."""
    return first_ms(last + timedelta(days=DOUBT_DAYS + 1))


def is_over(day: date, now_ms: int) -> bool:
    """Whether a day has ended, so that it can have a statement."""
    return first_ms(day + timedelta(days=1)) <= now_ms


def missing(since: date, have: Collection[date], now_ms: int) -> list[date]:
    """The days whose statement should be there and is not, in order. `since`: the first day that has one."""
    due = day_of(now_ms - DUE_H * 3_600_000) - timedelta(days=1)
    first = max(since, due - timedelta(days=LOOK_BACK_DAYS - 1))
    return [day for day in DayRange(first, due).days() if day not in have]


def late_s(day: date, now_ms: int) -> float:
    """For how long the statement of a day has been missing, in seconds."""
    return (now_ms - first_ms(day + timedelta(days=1)) - DUE_H * 3_600_000) / 1000
