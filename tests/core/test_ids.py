"""Ids: increasing, unique, and the number alone tells whether it is a user."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core import ids
from server.core.ids import EPOCH_MS, USER_ID_MAX, IdMaker

NOW_MS = 1_800_000_000_000


def test_id_has_time_then_set_then_node_then_count() -> None:
    maker = IdMaker(node=5, set_number=3)
    assert maker.next(NOW_MS) == ((NOW_MS - EPOCH_MS) << 22) | (3 << 16) | (5 << 6) | 0
    assert maker.next(NOW_MS) == ((NOW_MS - EPOCH_MS) << 22) | (3 << 16) | (5 << 6) | 1
    assert maker.next(NOW_MS + 1) == ((NOW_MS + 1 - EPOCH_MS) << 22) | (3 << 16) | (5 << 6) | 0


def old_id(ms: int, node: int, count: int) -> int:
    """An id of the old layout, which has no set."""
    return ((ms - EPOCH_MS) << 22) | (node << 12) | count


@given(node=st.integers(0, 1023), count=st.integers(0, 4095), ahead_ms=st.integers(0, 10_000))
def test_ids_of_the_new_layout_are_larger_than_all_old_ones(node: int, count: int, ahead_ms: int) -> None:
    """Also if the clock was ahead when the old ids were made, and in the same millisecond."""
    largest = old_id(NOW_MS + ahead_ms, node, count)
    first_id = ((largest >> 22) + 1) << 22  # as the migration records it
    maker = IdMaker(1023)
    maker.begin_at(first_id)
    made = [maker.next(NOW_MS) for _ in range(100)]
    assert min(made) > largest
    assert made == sorted(set(made))
    assert {ids.set_of(number, first_id) for number in made} == {0}


def test_begin_at_an_earlier_id_changes_nothing() -> None:
    maker = IdMaker(7)
    maker.begin_at(old_id(NOW_MS - 1, 0, 0))
    assert maker.next(NOW_MS) == IdMaker(7).next(NOW_MS)


def test_set_of_a_new_id_is_in_the_number_and_of_an_old_id_is_0() -> None:
    first_id = IdMaker(0).next(NOW_MS)
    assert [ids.set_of(IdMaker(9, number).next(NOW_MS + 1), first_id) for number in (0, 1, 63)] == [0, 1, 63]
    assert ids.set_of(old_id(NOW_MS - 1, 1023, 4095), first_id) == 0


@given(clock_ms=st.lists(st.integers(0, NOW_MS * 2), min_size=1, max_size=50), node=st.integers(0, 1023))
def test_ids_are_unique_and_are_not_user_ids_for_any_clock(clock_ms: list[int], node: int) -> None:
    maker = IdMaker(node)
    made = [maker.next(now_ms) for now_ms in clock_ms]
    assert len(made) == len(set(made))
    assert all(USER_ID_MAX < number < 2**63 for number in made)
    assert not any(map(ids.is_user, made))


AROUND_MS = st.one_of(*(st.integers(NOW_MS + at_ms, NOW_MS + at_ms + 500) for at_ms in (0, 10**5, 10**8, 10**9)))


@given(clock_ms=st.lists(AROUND_MS, max_size=100))
def test_ids_are_unique_for_a_clock_that_is_set_to_and_fro(clock_ms: list[int]) -> None:
    maker = IdMaker()
    made = [maker.next(now_ms) for now_ms in clock_ms for _ in range(70)]
    assert len(made) == len(set(made))


def test_ids_follow_a_clock_that_was_a_day_ahead_and_leave_out_what_was_made_then() -> None:
    maker, day_ms = IdMaker(), 86_400_000
    before = maker.next(NOW_MS)
    ahead = {maker.next(NOW_MS + day_ms + ms) for ms in range(1_000)}
    after = maker.next(NOW_MS + 1_000)
    assert after >> 22 == NOW_MS + 1_000 - EPOCH_MS
    assert after > before
    a_day_later = {maker.next(NOW_MS + day_ms - 500 + ms) for ms in range(2_000)}
    assert len(a_day_later) == 2_000
    assert not a_day_later & ahead


def test_ids_that_exist_ahead_are_left_out_however_many_spans_they_are() -> None:
    minute_ms = 60_000
    exist = [IdMaker().next(NOW_MS + number * minute_ms) for number in (1, 2, 3, *range(100, 200, 7))]
    maker = IdMaker()
    maker.leave_out([(one, one) for one in exist])
    assert len(maker._ahead) < 10
    made = [maker.next(NOW_MS + number * 1_000) for number in range(300 * 60)]
    assert made == sorted(set(made))
    assert not {number >> 22 for number in made} & {one >> 22 for one in exist}
    assert made[0] == IdMaker().next(NOW_MS)
    assert made[-1] == IdMaker().next(NOW_MS + 300 * minute_ms - 1_000)


def test_ids_increase_after_the_clock_is_set_back() -> None:
    maker = IdMaker()
    first = maker.next(NOW_MS)
    assert maker.next(NOW_MS - 60_000) == first + 1
    assert maker.next(NOW_MS + 1) > first + 1


def test_more_than_64_ids_in_a_millisecond_use_the_next_millisecond() -> None:
    maker = IdMaker(node=3)
    made = [maker.next(NOW_MS) for _ in range(500)]
    assert made == sorted(set(made))
    assert made[64] == ((NOW_MS + 1 - EPOCH_MS) << 22) | (3 << 6)
    assert maker.next(NOW_MS + 1) > made[-1]


def test_nodes_make_different_ids() -> None:
    makers = [IdMaker(node, number) for node in (0, 1, 1023) for number in (0, 63)]
    made = [maker.next(NOW_MS) for maker in makers for _ in range(5_000)]
    assert len(set(made)) == len(made)


def test_an_id_fits_63_bits_until_2094() -> None:
    assert IdMaker(1023, 63).next(3_900_000_000_000) < 2**63


@pytest.mark.parametrize("node", [-1, 1024])
def test_node_outside_0_to_1023_is_refused(node: int) -> None:
    with pytest.raises(ValueError, match="node must be in 0…1023"):
        IdMaker(node)


@pytest.mark.parametrize("number", [-1, 64])
def test_set_outside_0_to_63_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="the set must be in 0…63"):
        IdMaker(0, number)


def test_is_user_holds_from_1_to_the_largest_user_id() -> None:
    assert [ids.is_user(number) for number in (ids.BACKEND, 1, USER_ID_MAX, USER_ID_MAX + 1)] == [
        False,
        True,
        True,
        False,
    ]
