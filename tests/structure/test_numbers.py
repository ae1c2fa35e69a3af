"""The numbers that the structure of the code keeps, and a stranger can rely on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.structure.measure import MEASURES


@pytest.mark.parametrize("measure", MEASURES.values(), ids=[title.replace(" ", "-") for title in MEASURES])
def test_structure_has_no_exception_from_its_limits(measure: Callable[[], list[str]]) -> None:
    assert measure() == []
