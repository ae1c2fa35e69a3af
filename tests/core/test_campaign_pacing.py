"""The pace of wins, and what is published of the shares left: pure rules."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.campaigns.pacing import SECOND_MS, Pace, allowed
from server.core.campaigns.published import border

SHARES = st.integers(1, 10**8)


def test_shares_are_due_in_proportion_to_the_time_that_is_over() -> None:
    at = [allowed(now_ms, 1_000, 11_000, 100) for now_ms in (0, 1_000, 1_001, 6_000, 10_999, 11_000, 99_000)]
    assert at == [0, 0, 1, 50, 100, 100, 100]


@given(shares=SHARES, lasts_ms=st.integers(1, 10**10), moments=st.lists(st.integers(-(10**9), 2 * 10**10)))
def test_due_shares_never_fall_and_end_with_all(shares: int, lasts_ms: int, moments: list[int]) -> None:
    due = [allowed(now_ms, 0, lasts_ms, shares) for now_ms in sorted(moments)]
    assert due == sorted(due)
    assert allowed(lasts_ms, 0, lasts_ms, shares) == shares


def test_sudden_crowd_gets_no_more_than_what_is_due_in_a_second() -> None:
    pace = Pace(shares=100, starts_at_ms=0, ends_at_ms=100_000)
    pace.begin(10_000, given=8, servers=1)  # 11 are due until the end of this second
    assert (pace.due, pace.chance) == (3, 1.0)
    assert [pace.takes(user_id, 0.0) for user_id in range(10)] == [True] * 3 + [False] * 7


def test_chance_is_what_is_due_among_the_users_of_the_last_second() -> None:
    pace = Pace(shares=100, starts_at_ms=0, ends_at_ms=100_000)
    pace.begin(10_000, given=11, servers=1)
    assert [pace.takes(user_id, 0.0) for user_id in range(40)] == [False] * 40
    pace.begin(11_000, given=2, servers=1)
    assert (pace.due, pace.chance) == (10, 10 / 40)
    assert not pace.takes(1, 0.25)
    assert pace.takes(2, 0.2499)


def test_second_gives_more_than_is_due_by_three_standard_deviations_at_most() -> None:
    pace = Pace(shares=100, starts_at_ms=0, ends_at_ms=100_000)
    pace.begin(10_000, given=11, servers=1)
    assert sum(pace.takes(user_id, 0.0) for user_id in range(40)) == 0
    pace.begin(11_000, given=3, servers=1)
    assert (pace.due, pace.chance) == (9, 9 / 40)
    assert sum(pace.takes(user_id, 0.0) for user_id in range(40)) == 9 + 3 * 3
    pace.begin(12_000, given=21, servers=1)  # what was given too much is not due
    assert (pace.due, pace.room, pace.chance) == (0, 0, 0.0)


def test_no_second_gives_more_than_the_campaign_has() -> None:
    pace = Pace(shares=100, starts_at_ms=0, ends_at_ms=100_000)
    pace.begin(98_000, given=99, servers=1)
    assert sum(pace.takes(user_id, 0.0) for user_id in range(40)) == 0
    pace.begin(99_000, given=99, servers=1)
    assert (pace.due, pace.room) == (1, 1)
    assert sum(pace.takes(user_id, 0.0) for user_id in range(40)) == 1


USERS, SECONDS = 20, 30_000


@pytest.mark.parametrize("seed", [7, 8, 9])
@pytest.mark.parametrize("shares", [9_000, 30_000, 90_000])
def test_user_who_shakes_first_in_each_second_wins_no_more_than_others(shares: int, seed: int) -> None:
    """0.3, 1 and 3 shares a second, and 20 users who shake in each: user 0 first, the others in any order."""
    draws, pace = Random(seed), Pace(shares, 0, SECONDS * SECOND_MS)
    others, wins, ahead = list(range(1, USERS)), [0] * USERS, 0
    for second in range(SECONDS):
        given_before = sum(wins)
        pace.begin(second * SECOND_MS, given_before, 1)
        draws.shuffle(others)
        for user_id in (0, *others):
            wins[user_id] += pace.takes(user_id, draws.random())
        ahead = max(ahead, sum(wins) - allowed((second + 1) * SECOND_MS, 0, SECONDS * SECOND_MS, shares))
    total = sum(wins)
    of_one = total / USERS
    deviation = math.sqrt(of_one * (1 - 1 / USERS))
    assert abs(wins[0] - of_one) < 3 * deviation, wins
    assert all(abs(one - of_one) < 4 * deviation for one in wins), wins
    assert shares * 0.999 <= total <= shares
    assert ahead <= 3 * math.sqrt(3 * USERS)


def test_nothing_is_given_in_the_second_in_which_a_campaign_starts_and_its_crowd_is_counted() -> None:
    pace = Pace(shares=100, starts_at_ms=10_400, ends_at_ms=110_400)
    pace.begin(10_400, given=0, servers=1)
    assert (pace.due, pace.chance) == (1, 0.0)
    assert [pace.takes(user_id, 0.0) for user_id in range(8)] == [False] * 8
    pace.begin(11_000, given=0, servers=1)
    assert (pace.due, pace.chance) == (2, 2 / 8)


def test_campaign_of_a_single_second_gives_its_shares_in_it() -> None:
    pace = Pace(shares=2, starts_at_ms=10_400, ends_at_ms=10_900)
    pace.begin(10_400, given=0, servers=1)
    assert [pace.takes(user_id, 0.0) for user_id in range(3)] == [True, True, False]


def test_user_has_one_chance_a_second() -> None:
    pace = Pace(shares=100, starts_at_ms=0, ends_at_ms=100_000)
    pace.begin(10_000, given=0, servers=1)
    assert pace.takes(1, 0.0)
    assert not pace.takes(1, 0.0)
    pace.begin(11_000, given=1, servers=1)
    assert pace.takes(1, 0.0)


def test_chance_that_comes_to_nothing_is_there_for_another_user() -> None:
    pace = Pace(shares=1, starts_at_ms=0, ends_at_ms=1_000)
    pace.begin(500, given=0, servers=1)
    assert pace.takes(1, 0.0)
    assert not pace.takes(2, 0.0)
    pace.give_back()
    assert pace.takes(3, 0.0)


def test_servers_share_what_is_due() -> None:
    pace = Pace(shares=100, starts_at_ms=0, ends_at_ms=100_000)
    pace.begin(10_000, given=1, servers=3)
    assert pace.due == 4  # 10 are due: 4, 4 and 2 in the worst case, never more than a share too many each


@given(shares=SHARES, step=st.integers(1, 10**9), part=st.floats(0, 1))
def test_published_number_is_never_less_than_what_is_left_and_zero_only_at_the_end(
    shares: int, step: int, part: float
) -> None:
    left = int(shares * part)
    told = border(left, shares, step)
    assert left <= told <= shares
    assert (told == 0) == (left == 0)


@given(shares=st.integers(1, 3_000), step=st.integers(1, 1_000))
def test_published_numbers_never_rise(shares: int, step: int) -> None:
    told = [border(left, shares, step) for left in range(shares, -1, -1)]
    assert told == sorted(told, reverse=True)


def test_published_steps_are_finer_at_the_end() -> None:
    told = sorted({border(left, 10_000_000, 500_000) for left in range(0, 10_000_001, 1_000)})
    assert told[:4] == [0, 50_000, 100_000, 150_000]
    assert told[-2:] == [9_500_000, 10_000_000]
    assert told[20:22] == [1_000_000, 1_500_000]
