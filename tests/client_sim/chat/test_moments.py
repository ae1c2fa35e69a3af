"""Moments that a user types: what is one, and when it comes next."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from client_sim.chat.everyday.moments import Moment, next_ms, read_moment


@pytest.fixture(autouse=True)
def beijing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local clock is that of Beijing."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Shanghai")
        time.tzset()
        yield
    time.tzset()


def at_ms(text: str) -> int:
    """A time in UTC, in milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOON_MS = at_ms("2026-11-29T04:00:30")  # 12:00:30 in Beijing


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("20:00", Moment(0, 0, 20, 0)),
        ("0:05", Moment(0, 0, 0, 5)),
        ("02-16T20:00", Moment(2, 16, 20, 0)),
        ("2-6 20:00", Moment(2, 6, 20, 0)),
        ("02-29 8:00", Moment(2, 29, 8, 0)),
    ],
)
def test_moment_is_a_time_of_day_perhaps_with_a_day(text: str, moment: Moment) -> None:
    assert read_moment(text) == moment


@pytest.mark.parametrize(
    "text",
    ["", "now", "24:00", "20:60", "20:0", "8", "02-30 20:00", "13-01 20:00", "0-1 20:00", "20:00:00", "-1:00"],
)
def test_other_text_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_moment(text)


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("20:00", "2026-11-29T12:00"),
        ("12:00", "2026-11-30T04:00"),  # half a minute ago: tomorrow
        ("12:01", "2026-11-29T04:01"),
        ("11-29 12:00", "2027-11-29T04:00"),
        ("11-30 00:00", "2026-11-29T16:00"),
        ("02-16 20:00", "2027-02-16T12:00"),
        ("02-29 08:00", "2028-02-29T00:00"),
    ],
)
def test_moment_comes_next_at_the_first_time_that_the_clock_shows_it(text: str, then: str) -> None:
    assert next_ms(NOON_MS, read_moment(text)) == at_ms(then)
