"""The year of a record is the year in Beijing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core import beijing_year

NEW_YEAR_2026_MS = 1_767_196_800_000  # 2025-12-31T16:00:00Z


@pytest.mark.parametrize(
    ("at_ms", "year"),
    [
        (0, 1970),
        (NEW_YEAR_2026_MS - 1, 2025),
        (NEW_YEAR_2026_MS, 2026),
        (1_767_225_599_999, 2026),  # the last moment of 2025 in London
        (1_709_136_000_000, 2024),
        (253_370_735_999_999, 9998),
    ],
)
def test_year_of_a_moment_is_the_year_in_beijing(at_ms: int, year: int) -> None:
    assert beijing_year.year_of(at_ms) == year


def test_bounds_of_a_year_are_its_new_year_moments_in_beijing() -> None:
    assert beijing_year.bounds(2025) == (1_735_660_800_000, NEW_YEAR_2026_MS)


@given(st.integers(0, 253_339_199_999_999))
def test_every_moment_is_within_the_bounds_of_its_year_only(at_ms: int) -> None:
    year = beijing_year.year_of(at_ms)
    first_ms, next_ms = beijing_year.bounds(year)
    assert first_ms <= at_ms < next_ms
    assert beijing_year.bounds(year + 1)[0] == next_ms
