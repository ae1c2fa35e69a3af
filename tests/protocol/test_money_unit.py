"""Amounts as text in any unit, and texts as amounts."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import messages
from protocol.money_unit import DECIMALS_MAX, NAME_LETTERS_MAX, SYMBOL_LETTERS_MAX, YUAN, MoneyUnit
from tests.points import COINS, POINTS, yuan_in

DOLLARS = MoneyUnit("美元", "dollars", "$", 2)
UNITS = st.sampled_from([YUAN, POINTS, COINS, DOLLARS, MoneyUnit("x", "x", "x", 4)])


@pytest.mark.parametrize(
    ("unit", "amount_fen", "full_zh", "full_en", "short_zh", "short_en"),
    [
        (YUAN, 0, "0.00元", "0.00 yuan", "0.00元", "¥0.00"),
        (YUAN, 5, "0.05元", "0.05 yuan", "0.05元", "¥0.05"),
        (YUAN, 123_456_789, "1,234,567.89元", "1,234,567.89 yuan", "1,234,567.89元", "¥1,234,567.89"),
        (YUAN, -1_234_567, "-12,345.67元", "-12,345.67 yuan", "-12,345.67元", "¥-12,345.67"),
        (POINTS, 0, "0积分", "0 points", "0积分", "0 points"),
        (POINTS, 1_234_567, "1,234,567积分", "1,234,567 points", "1,234,567积分", "1,234,567 points"),
        (POINTS, -1_000, "-1,000积分", "-1,000 points", "-1,000积分", "-1,000 points"),
        (COINS, 1, "0.001金币", "0.001 gold coins", "0.001金币", "🪙0.001"),
        (COINS, 1_234_567, "1,234.567金币", "1,234.567 gold coins", "1,234.567金币", "🪙1,234.567"),
    ],
)
def test_amount_in_a_unit_is_exact_in_both_languages(
    unit: MoneyUnit, amount_fen: int, full_zh: str, full_en: str, short_zh: str, short_en: str
) -> None:
    assert (unit.full("zh", amount_fen), unit.full("en", amount_fen)) == (full_zh, full_en)
    assert (unit.short("zh", amount_fen), unit.short("en", amount_fen)) == (short_zh, short_en)


@pytest.mark.parametrize(
    ("unit", "number", "typed", "head_zh", "head_en", "smallest"),
    [
        (YUAN, "1,234.56", "1234.56", "元", "¥", "fen"),
        (POINTS, "123,456", "123456", "积分", "points", "points"),
        (COINS, "123.456", "123.456", "金币", "🪙", "units of 0.001 gold coins"),
        (DOLLARS, "1,234.56", "1234.56", "美元", "$", "units of 0.01 dollars"),
    ],
)
def test_number_head_and_smallest_unit_follow_from_the_unit(
    unit: MoneyUnit, number: str, typed: str, head_zh: str, head_en: str, smallest: str
) -> None:
    assert (unit.number(123_456), unit.typed(123_456)) == (number, typed)
    assert (unit.head("zh"), unit.head("en"), unit.smallest) == (head_zh, head_en, smallest)


@pytest.mark.parametrize(
    ("unit", "typed", "amount_fen"),
    [
        (YUAN, "8.8", 880),
        (YUAN, "¥8.88", 888),
        (YUAN, "8.88元", 888),
        (YUAN, " 8 yuan ", 800),
        (YUAN, "999999999.99", 99_999_999_999),
        (POINTS, "8", 8),
        (POINTS, "0088", 88),
        (POINTS, "8积分", 8),
        (POINTS, "8 points", 8),
        (POINTS, "9" * 11, 99_999_999_999),
        (COINS, "8", 8_000),
        (COINS, "8.5", 8_500),
        (COINS, "🪙0.001", 1),
        (COINS, "1 gold coins", 1_000),
        (DOLLARS, "$1.50", 150),
    ],
)
def test_typed_amount_is_read_exactly(unit: MoneyUnit, typed: str, amount_fen: int) -> None:
    assert unit.parse(typed) == amount_fen


@pytest.mark.parametrize(
    ("unit", "typed"),
    [(YUAN, one) for one in ("", "8.888", "-1", "1e3", "5.", ".5", "1,000", "8points", "八", "9" * 10)]
    + [(POINTS, one) for one in ("", "8.8", "8.", "8.0", "¥8", "8元", "8 yuan", "-1", "1,000", "９", "9" * 12)]
    + [(COINS, one) for one in ("0.0001", "8gold", "$8", "🪙", "🪙🪙8")],
)
def test_other_text_is_refused_in_the_words_of_the_unit(unit: MoneyUnit, typed: str) -> None:
    with pytest.raises(ValueError, match=f"is not an amount in {unit.en}"):
        unit.parse(typed)


@given(UNITS, st.integers(0, 99_999_999_999))
def test_amount_that_is_typed_as_it_is_shown_is_the_same_amount(unit: MoneyUnit, amount_fen: int) -> None:
    assert unit.parse(unit.typed(amount_fen)) == amount_fen
    assert [unit.parse(unit.full(one, amount_fen).replace(",", "")) for one in ("zh", "en")] == [amount_fen] * 2
    assert unit.parse(unit.short("en", amount_fen).replace(",", "")) == amount_fen


@given(st.integers(-(2**63), 2**63 - 1))
def test_points_never_name_yuan(amount_fen: int) -> None:
    words = [POINTS.full("zh", amount_fen), POINTS.short("en", amount_fen), POINTS.smallest, COINS.smallest]
    assert yuan_in(" ".join(words)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        ["x", "x", "", DECIMALS_MAX + 1],
        ["x", "x", "", -1],
        ["", "x", "", 0],
        ["x", "x" * (NAME_LETTERS_MAX + 1), "", 0],
        ["x", "x", "x" * (SYMBOL_LETTERS_MAX + 1), 0],
        ["x", "x", ""],
    ],
)
def test_welcome_with_an_impossible_unit_is_refused(wrong: list[object]) -> None:
    """A client that formats with a million decimals would hang."""
    with pytest.raises(msgspec.ValidationError):
        messages.decode_from_server(msgspec.msgpack.encode([110, 1, 7, 5, [], 0, 0, wrong]))


def test_welcome_of_an_older_server_means_yuan() -> None:
    welcome = messages.decode_from_server(msgspec.msgpack.encode([110, 1, 7, 5, [], 0, 0]))
    assert isinstance(welcome, messages.Welcome)
    assert welcome.money_unit == YUAN
