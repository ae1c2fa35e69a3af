"""Ids: they grow, they never repeat, and one look at the number says what it names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core import ids
from server.core.ids import EPOCH_MS, USER_ID_MAX, IdMaker

NOW_MS = 1_800_000_000_000


def test_the_parts_of_an_id() -> None:
    """Milliseconds since 2025, then the node, then a count."""
    maker = IdMaker(node=5)
    assert maker.next(NOW_MS) == ((NOW_MS - EPOCH_MS) << 22) | (5 << 12) | 0
    assert maker.next(NOW_MS) == ((NOW_MS - EPOCH_MS) << 22) | (5 << 12) | 1
    assert maker.next(NOW_MS + 1) == ((NOW_MS + 1 - EPOCH_MS) << 22) | (5 << 12) | 0


@given(clock_ms=st.lists(st.integers(0, NOW_MS * 2), min_size=1, max_size=50), node=st.integers(0, 1023))
def test_ids_grow_and_are_no_users_whatever_the_clock_does(clock_ms: list[int], node: int) -> None:
    maker = IdMaker(node)
    made = [maker.next(now_ms) for now_ms in clock_ms]
    assert made == sorted(set(made))
    assert all(USER_ID_MAX < number < 2**63 for number in made)
    assert not any(map(ids.is_user, made))


def test_a_clock_that_was_set_back_is_waited_out() -> None:
    maker = IdMaker()
    first = maker.next(NOW_MS)
    assert maker.next(NOW_MS - 60_000) == first + 1
    assert maker.next(NOW_MS + 1) > first + 1


def test_more_than_4096_in_a_millisecond_borrow_from_the_next() -> None:
    maker = IdMaker(node=3)
    made = [maker.next(NOW_MS) for _ in range(5_000)]
    assert made == sorted(set(made))
    assert made[4_096] == ((NOW_MS + 1 - EPOCH_MS) << 22) | (3 << 12)
    assert maker.next(NOW_MS + 1) > made[-1]


def test_nodes_never_make_the_same_id() -> None:
    makers = [IdMaker(node) for node in (0, 1, 1023)]
    made = [maker.next(NOW_MS) for maker in makers for _ in range(5_000)]
    assert len(set(made)) == len(made)


def test_an_id_fits_63_bits_until_2094() -> None:
    assert IdMaker(1023).next(3_900_000_000_000) < 2**63


@pytest.mark.parametrize("node", [-1, 1024])
def test_there_are_1024_nodes(node: int) -> None:
    with pytest.raises(ValueError, match="node must be in 0…1023"):
        IdMaker(node)


def test_what_a_number_names() -> None:
    assert [ids.is_user(number) for number in (ids.BACKEND, 1, USER_ID_MAX, USER_ID_MAX + 1)] == [
        False,
        True,
        True,
        False,
    ]
