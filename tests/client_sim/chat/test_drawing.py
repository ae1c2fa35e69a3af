"""Pictures made of characters: they keep their columns."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from client_sim.chat.model import CLAIMED, EXPIRED, GONE, OPEN, Card, Packet, Turn
from client_sim.chat.screens.drawing import CARD_WIDTH, COIN_ROWS, COIN_SIZE, amount, card, coin, fit
from protocol.money_unit import YUAN, MoneyUnit
from tests.points import COINS, POINTS, yuan_in


@pytest.mark.parametrize(
    ("words", "width", "shown"),
    [
        ("abc", 5, "abc  "),
        ("恭喜", 5, "恭喜 "),
        ("恭喜发财", 5, "恭喜…"),
        ("恭喜发财", 6, "恭喜… "),
        ("abcdef", 4, "abc…"),
        ("", 2, "  "),
    ],
)
def test_fit_cuts_or_pads_to_the_width(words: str, width: int, shown: str) -> None:
    assert fit(words, width) == shown
    assert cell_len(fit(words, width)) == width


@pytest.mark.parametrize("turn", [0, 0.1, 0.2, 0.25, 0.3, 0.5, 0.9])
def test_coin_at_any_turn_has_the_same_size(turn: float) -> None:
    rows = coin(turn).plain.split("\n")
    assert [cell_len(row) for row in rows] == [COIN_SIZE] * COIN_ROWS


def test_coin_on_its_edge_shows_no_face() -> None:
    assert "開" in coin(0).plain
    assert "開" not in coin(0.25).plain


@pytest.mark.parametrize("state", [OPEN, CLAIMED, GONE, EXPIRED])
@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("greeting", ["恭喜发财,大吉大利", "x" * 128, "", "恭" * 42])
def test_card_with_any_greeting_has_rows_of_card_width(state: str, language: str, greeting: str) -> None:
    packet = Packet(7, "lucky", 2, 500, greeting, 0, state, 20_000)
    rows = card(Card(1, 2, 0, packet), 1, language, YUAN).plain.split("\n")
    assert [cell_len(row) for row in rows] == [CARD_WIDTH] * 3


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", ["小梅", "x" * 64, ""])
def test_card_with_a_turn_has_one_more_row_of_card_width(language: str, name: str) -> None:
    packet = Packet(7, "lucky", 2, 5, "", 0, GONE, turn=Turn(9, 0, 7, 3, 60_000, 5))
    rows = card(Card(1, 2, 0, packet), 1, language, YUAN, next_name=name).plain.split("\n")
    assert [cell_len(row) for row in rows] == [CARD_WIDTH] * 4
    assert len(name) > 10 or YUAN.short(language, 60_000) in rows[-1]


@pytest.mark.parametrize("state", [OPEN, CLAIMED, GONE, EXPIRED])
@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("kind", ["lucky", "equal"])
def test_card_with_the_largest_values_is_not_cut(state: str, language: str, kind: str) -> None:
    packet = Packet(7, kind, 2, 500, "", 0, state, 2_000_000)
    shown = card(Card(1, 2, 0, packet), 1, language, YUAN).plain
    assert "…" not in shown
    assert "500" in shown
    assert ("20,000.00" in shown) == (state == CLAIMED)


@pytest.mark.parametrize("unit", [POINTS, COINS], ids=["points", "coins"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_card_in_another_unit_never_names_yuan(unit: MoneyUnit, language: str) -> None:
    shown = card(Card(1, 2, 0, Packet(7, "lucky", 2, 5, "", 0, CLAIMED, 1_234_567)), 1, language, unit).plain
    assert unit.short(language, 1_234_567) in shown
    assert yuan_in(shown) == []


@pytest.mark.parametrize(
    ("unit", "amount_fen", "sign", "shown"),
    [
        (YUAN, 888, "", "      ¥8.88"),
        (YUAN, 888, "+", "     +¥8.88"),
        (POINTS, 888, "", " 888 points"),
        (POINTS, 20_000, "", "     20,000"),  # an amount is never cut: the unit is left out
        (POINTS, 20_000, "-", "    -20,000"),
    ],
)
def test_amount_in_a_column_is_never_cut(unit: MoneyUnit, amount_fen: int, sign: str, shown: str) -> None:
    assert amount(unit, "en", amount_fen, 11, sign) == shown


def test_card_of_a_kind_that_the_client_does_not_know_is_a_red_packet() -> None:
    shown = [
        card(Card(1, 2, 0, Packet(7, kind, 2, 1, "", 0, OPEN, 0)), 1, language, YUAN).plain
        for kind in ("enterprise", "of tomorrow")
        for language in ("zh", "en")
    ]
    assert ["企业红包" in shown[0], "packet of a sponsor" in shown[1], "红包" in shown[2]] == [True] * 3
    assert "red packet" in shown[3]
