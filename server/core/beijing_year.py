"""Years of the records, and days of payments: those of Beijing, UTC+8.

A red packet belongs to the year in which people opened it, and the busiest minute of all is the one after midnight
in China. With years of UTC the packets of New Year's morning would stand under the year before. Eight hours is a
constant: China has one time zone, and no summer time since 1991, long before the first of these packets. The
records count by the same rule (`beijing_year` in storage/postgres/migrations).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Final

DAY_MS: Final = 86_400_000
BEIJING_MS: Final = 8 * 3_600_000
BEIJING: Final = timezone(timedelta(milliseconds=BEIJING_MS))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def year_of(at_ms: int) -> int:
    """The year of a moment (milliseconds since 1970, before the year 9999)."""
    return (_EPOCH + at_ms * _MILLISECOND).astimezone(BEIJING).year


def bounds(year: int) -> tuple[int, int]:
    """The first moment of a year and that of the next one, in milliseconds since 1970. The year is 1 to 9998."""
    return _first_ms(year), _first_ms(year + 1)


def _first_ms(year: int) -> int:
    return (datetime(year, 1, 1, tzinfo=BEIJING) - _EPOCH) // _MILLISECOND


def time_text(at_ms: int) -> str:
    """A moment in Beijing, to the second: 2026-11-29 20:15:00."""
    return f"{(_EPOCH + at_ms * _MILLISECOND).astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"


def day_begin_ms(at_ms: int) -> int:
    """The first moment of the day of a moment, in milliseconds since 1970."""
    return (at_ms + BEIJING_MS) // DAY_MS * DAY_MS - BEIJING_MS
