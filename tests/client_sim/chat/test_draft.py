"""The content of the send form, switched between the kinds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.chat.screens.draft import KINDS, Draft


def switched_to(kind: str, draft: Draft) -> Draft:
    """The draft after as many switches as lead to a kind."""
    while draft.kind != kind:
        draft = draft.switched()
    return draft


AMOUNTS, SHARES = st.integers(0, 2_000_000), st.integers(1, 500)


@pytest.mark.parametrize(
    ("total_fen", "shares", "single_fen"),
    [(1000, 5, 200), (888, 5, 177), (1000, 3, 333), (1, 1, 1), (4, 5, 0), (0, 5, 0), (100, 0, 100)],
)
def test_switch_to_equal_divides_the_total_and_rounds_down(total_fen: int, shares: int, single_fen: int) -> None:
    assert Draft("lucky", total_fen, shares, "lucky").switched().shown_fen == single_fen


@pytest.mark.parametrize(("single_fen", "shares", "total_fen"), [(200, 5, 1000), (1, 500, 500), (0, 5, 0)])
def test_switch_to_lucky_multiplies_the_amount_of_one_share(single_fen: int, shares: int, total_fen: int) -> None:
    assert switched_to("lucky", Draft("equal", single_fen, shares, "equal")).shown_fen == total_fen


@given(AMOUNTS, SHARES)
def test_switch_through_all_kinds_gives_back_what_was_typed(amount_fen: int, shares: int) -> None:
    typed = Draft().with_shares(shares).with_amount(amount_fen)
    assert [one.kind for one in (typed, typed.switched(), typed.switched().switched())] == list(KINDS[:3])
    assert switched_to("lucky", typed.switched()) == typed


@given(AMOUNTS, SHARES)
def test_switch_to_equal_never_costs_more(total_fen: int, shares: int) -> None:
    typed = Draft("lucky", total_fen, shares, "lucky")
    assert total_fen - shares < typed.switched().total_fen <= total_fen


@given(AMOUNTS, SHARES, SHARES)
def test_other_number_of_shares_keeps_the_shown_amount(amount_fen: int, before: int, after: int) -> None:
    shown = Draft("lucky", amount_fen, before, "lucky").switched()
    assert shown.with_shares(after).shown_fen == shown.shown_fen


def test_packet_for_one_user_is_personal_or_passed_on_with_three_shares_at_least() -> None:
    personal = Draft().for_one(True).with_amount(888)
    assert (personal.kind, personal.shares, personal.total_fen) == ("personal", 1, 888)
    fission = personal.switched()
    assert (fission.kind, fission.shares, fission.shown_fen, fission.total_fen) == ("fission", 3, 888, 888)
    assert fission.for_one(True) == fission
    assert fission.with_shares(5).total_fen == 888
    assert fission.with_shares(5).switched() == personal
    assert fission.for_one(False).kind == "lucky"
