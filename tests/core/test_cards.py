"""The rules of cards, codes and pay passwords, by themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.beijing_year import day_begin_ms
from server.core.cards import attempts, issuers, texts
from server.core.cards.attempts import Attempts, Challenge, ChallengeState
from server.core.refusals import Reason, RequestRefused

NOW_MS = 1_795_920_000_000
DIGITS = st.text("0123456789", min_size=11, max_size=18)


def check_digit(digits: str) -> str:
    """By the table of the standard: the sum of all digits, every second one doubled and its digits added."""
    total = sum(sum(map(int, str(int(one) * (2 - place % 2)))) for place, one in enumerate(reversed(digits)))
    return str(-total % 10)


@pytest.mark.parametrize(
    ("number", "bank"),
    [
        ("6222021234567890128", "中国工商银行"),
        ("9558801234567890123", "中国工商银行"),  # five digits are enough
        ("6228480000000000000", "中国农业银行"),
        ("6214830000000000", "招商银行"),
        ("6212990000000000", ""),  # the cards of the test bank
        ("4111111111111111", ""),
        ("", ""),
    ],
)
def test_bank_of_a_number_is_that_of_its_range_or_none(number: str, bank: str) -> None:
    assert issuers.bank_of(number) == bank


def test_ranges_of_banks_are_digits_and_belong_to_one_bank_each() -> None:
    every = [first for ranges in issuers.ISSUERS.values() for first in ranges.split()]
    assert len(set(every)) == len(every)
    assert all(first.isdigit() and len(first) in issuers.DIGITS for first in every)


@given(DIGITS)
def test_number_with_its_check_digit_is_one_and_with_any_other_is_none(digits: str) -> None:
    right = check_digit(digits)
    assert texts.card_number(digits + right) == digits + right
    for wrong in set("0123456789") - {right}:
        with pytest.raises(RequestRefused) as refused:
            texts.card_number(digits + wrong)
        assert refused.value.reason is Reason.BAD_CARD
        assert digits not in str(refused.value)


@given(DIGITS, st.data())
def test_number_with_one_digit_mistyped_is_none(digits: str, data: st.DataObject) -> None:
    number = digits + check_digit(digits)
    place = data.draw(st.integers(0, len(number) - 1))
    other = data.draw(st.sampled_from([one for one in "0123456789" if one != number[place]]))
    with pytest.raises(RequestRefused):
        texts.card_number(number[:place] + other + number[place + 1 :])


@pytest.mark.parametrize(
    ("name", "masked"),
    [("王小明", "**明"), ("王明", "*明"), ("王", "*"), ("Jane Doe", "*******e"), ("欧阳娜娜", "***娜")],
)
def test_name_is_masked_but_for_its_last_character(name: str, masked: str) -> None:
    assert texts.masked_name(name) == masked


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("13800001234", "138****1234"),
        ("+8613800001234", "+86*******1234"),
        ("12345", "***45"),
        ("1234567890", "********90"),
    ],
)
def test_phone_is_masked_in_the_middle(phone: str, masked: str) -> None:
    assert texts.masked_phone(phone) == masked
    assert len(masked) == len(phone)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("王小明", "王 小明", True),
        ("买买提·艾力", "买买提艾力", True),
        ("JANE DOE", "Jane  Doe", True),
        ("Ｊａｎｅ", "jane", True),
        ("王小明", "王小民", False),
        ("王小明", "王小", False),
        ("", "王", False),
    ],
)
def test_holders_are_compared_without_case_width_and_spaces(one: str, other: str, is_same: bool) -> None:
    assert texts.is_same_holder(one, other) is is_same


# --- codes ----------------------------------------------------------------------------------------------------

OPEN = Challenge(0, 1, NOW_MS, NOW_MS + 300_000, None)


@pytest.mark.parametrize(
    ("challenge", "at_ms", "state"),
    [
        (OPEN, NOW_MS, ChallengeState.OPEN),
        (OPEN, NOW_MS + 299_999, ChallengeState.OPEN),
        (OPEN, NOW_MS + 300_000, ChallengeState.EXPIRED),
        (OPEN._replace(attempts=4), NOW_MS, ChallengeState.OPEN),
        (OPEN._replace(attempts=5), NOW_MS, ChallengeState.TRIED_OUT),
        (OPEN._replace(used_at_ms=NOW_MS), NOW_MS, ChallengeState.USED),
        (OPEN._replace(used_at_ms=NOW_MS, attempts=5), NOW_MS + 300_000, ChallengeState.USED),
    ],
)
def test_challenge_has_a_state_at_each_time(challenge: Challenge, at_ms: int, state: ChallengeState) -> None:
    assert attempts.challenge_state(challenge, at_ms) is state
    if state is ChallengeState.OPEN:
        assert attempts.code_attempted(challenge, at_ms) == challenge._replace(attempts=challenge.attempts + 1)
    else:
        with pytest.raises(RequestRefused) as refused:
            attempts.code_attempted(challenge, at_ms)
        assert refused.value.reason is Reason.CODE_SPENT


def test_code_sent_again_is_valid_again_and_keeps_its_attempts() -> None:
    tried = OPEN._replace(attempts=3)
    with pytest.raises(RequestRefused) as refused:
        attempts.code_sent(tried, NOW_MS + 59_999)
    assert (refused.value.reason, refused.value.retry_after_ms) == (Reason.CODE_TOO_SOON, 1)
    at_ms = NOW_MS + 60_000
    assert attempts.code_sent(tried, at_ms) == Challenge(3, 2, at_ms, at_ms + 300_000, None)
    assert attempts.code_sent(tried, NOW_MS + 900_000).expires_at_ms == NOW_MS + 1_200_000  # also an expired one
    for spent in (OPEN._replace(attempts=5), OPEN._replace(used_at_ms=NOW_MS)):
        with pytest.raises(RequestRefused) as refused:
            attempts.code_sent(spent, at_ms)
        assert refused.value.reason is Reason.CODE_SPENT


# --- passwords ------------------------------------------------------------------------------------------------


def test_five_attempts_lock_for_three_hours_and_begin_again_after_them() -> None:
    tries = attempts.NO_ATTEMPTS
    for failures in range(1, 5):
        tries = attempts.password_attempted(tries, NOW_MS)
        assert tries == Attempts(failures, 0)
        assert attempts.password_wrong(tries, NOW_MS).detail == f"attempts left: {5 - failures}"
    tries = attempts.password_attempted(tries, NOW_MS)
    until_ms = NOW_MS + 3 * 3_600_000
    assert tries == Attempts(5, until_ms)
    assert attempts.password_wrong(tries, NOW_MS).reason is Reason.PASSWORD_LOCKED
    with pytest.raises(RequestRefused) as refused:
        attempts.password_attempted(tries, until_ms - 1)
    assert (refused.value.reason, refused.value.retry_after_ms) == (Reason.PASSWORD_LOCKED, 1)
    assert refused.value.detail == f"locked until: {until_ms}"
    assert attempts.password_attempted(tries, until_ms) == Attempts(1, 0)


@pytest.mark.parametrize(
    ("at", "begin"),
    [
        (1_795_881_600_000, 1_795_881_600_000),  # 2026-11-29 00:00 in Beijing
        (1_795_881_599_999, 1_795_795_200_000),
        (1_795_967_999_999, 1_795_881_600_000),
        (1_795_968_000_000, 1_795_968_000_000),
    ],
)
def test_day_begins_at_midnight_in_beijing(at: int, begin: int) -> None:
    assert day_begin_ms(at) == begin
