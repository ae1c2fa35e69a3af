"""Amounts as text, and texts as amounts."""

from __future__ import annotations

import pytest

from client_sim.sdk.money import fen, yuan


@pytest.mark.parametrize(
    ("typed", "amount_fen"),
    [("8.88", 888), ("8.8", 880), ("8", 800), ("0.01", 1), ("¥5.20", 520), ("5.20元", 520), (" 1.00 ", 100)],
)
def test_fen_of_a_typed_amount_is_exact(typed: str, amount_fen: int) -> None:
    assert fen(typed) == amount_fen


@pytest.mark.parametrize("typed", ["", "8.888", "-1", "1e3", ".5", "5.", "1,000", "八", "8.8.8", "9" * 10, "1 0"])
def test_fen_of_another_text_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        fen(typed)


@pytest.mark.parametrize(
    ("amount_fen", "shown"),
    [(0, "0.00"), (5, "0.05"), (888, "8.88"), (-1234567, "-12,345.67"), (123456789, "1,234,567.89")],
)
def test_yuan_has_two_decimals_and_commas_between_thousands(amount_fen: int, shown: str) -> None:
    assert yuan(amount_fen) == shown
