"""Switching between lucky and equal keeps what was typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.chat.draft import Draft

AMOUNTS, SHARES = st.integers(0, 2_000_000), st.integers(1, 500)


@pytest.mark.parametrize(
    ("total_fen", "shares", "single_fen"),
    [(1000, 5, 200), (888, 5, 177), (1000, 3, 333), (1, 1, 1), (4, 5, 0), (0, 5, 0), (100, 0, 100)],
)
def test_single_is_total_by_shares_rounded_down(total_fen: int, shares: int, single_fen: int) -> None:
    assert Draft("lucky", total_fen, shares, "lucky").switched().shown_fen == single_fen


@pytest.mark.parametrize(("single_fen", "shares", "total_fen"), [(200, 5, 1000), (1, 500, 500), (0, 5, 0)])
def test_total_is_single_times_shares(single_fen: int, shares: int, total_fen: int) -> None:
    assert Draft("equal", single_fen, shares, "equal").switched().shown_fen == total_fen


@given(AMOUNTS, SHARES)
def test_there_and_back_is_what_was_typed(amount_fen: int, shares: int) -> None:
    typed = Draft().with_shares(shares).with_amount(amount_fen)
    assert typed.switched().switched() == typed


@given(AMOUNTS, SHARES)
def test_a_switch_never_costs_more(total_fen: int, shares: int) -> None:
    typed = Draft("lucky", total_fen, shares, "lucky")
    assert total_fen - shares < typed.switched().total_fen <= total_fen


@given(AMOUNTS, SHARES, SHARES)
def test_other_shares_leave_the_amount_on_the_screen(amount_fen: int, before: int, after: int) -> None:
    shown = Draft("lucky", amount_fen, before, "lucky").switched()
    assert shown.with_shares(after).shown_fen == shown.shown_fen
