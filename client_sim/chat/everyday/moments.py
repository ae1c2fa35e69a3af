"""Moments that a user types: a time of day, perhaps with a day. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final, NamedTuple

_MOMENT: Final = re.compile(r"(?:([0-9]{1,2})-([0-9]{1,2})[T ])?([0-9]{1,2}):([0-9]{2})")
LEAP_YEAR: Final = 2000
YEARS_MAX: Final = 9  # after a year without a 29th of February it can take eight to the next one


class Moment(NamedTuple):
    """A time of day by the local clock; month and day are 0 if none was typed."""

    month: int
    day: int
    hours: int
    minutes: int


def read_moment(text: str) -> Moment:
    """A moment such as 20:00, 02-16T20:00 or 02-16 20:00. Raises ValueError."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    moment = Moment(*(int(part or 0) for part in found.groups()))
    datetime(LEAP_YEAR, moment.month if found[1] else 1, moment.day if found[1] else 1, *moment[2:])  # it exists
    return moment


def next_ms(now_ms: int, moment: Moment) -> int:
    """When the local clock shows this moment next, in ms since 1970. Raises ValueError if it never does."""
    now = datetime.fromtimestamp(now_ms / 1000)
    if not moment.month:
        then = now.replace(hour=moment.hours, minute=moment.minutes, second=0, microsecond=0)
        return _ms(then if then > now else then + timedelta(days=1))
    for year in range(now.year, now.year + YEARS_MAX):
        try:
            then = datetime(year, *moment)
        except ValueError:  # the 29th of February
            continue
        if then > now:
            return _ms(then)
    raise ValueError(moment)


def _ms(then: datetime) -> int:
    return int(then.timestamp() * 1000)
