"""The state of `hongbao top` after each event."""

from __future__ import annotations

import msgspec
import pytest

from server.top.state import (
    CURVE_POINTS,
    LEFT_CURVES,
    Answers,
    Connections,
    KeyPress,
    Resized,
    TopState,
    Unreachable,
)
from tests.ops.top.answers import LISTED, answers

WINS = next(curve for curve in LEFT_CURVES if curve.title == "wins/s")


def second(wins_per_s: float) -> Answers:
    """Answers with this rate of wins in the last second."""
    raw = answers()
    raw["last_second"]["rates"]["wins_per_s"] = wins_per_s
    return Answers.of(raw)


def test_state_keeps_one_minute_of_rates() -> None:
    state = TopState()
    for number in range(CURVE_POINTS + 5):
        state = state.after(second(number))
    assert state.points(WINS) == tuple(range(5, CURVE_POINTS + 5))


def test_connections_alone_add_no_point_to_the_curves() -> None:
    state = TopState().after(second(1)).after(Connections([]))
    assert state.points(WINS) == (1,)
    assert state.answers is not None
    assert state.answers.listed.connections == []
    assert TopState().after(msgspec.convert(LISTED, Connections)) == TopState()


def test_unreachable_keeps_its_first_time_and_ends_with_an_answer() -> None:
    state = TopState().after(second(1)).after(Unreachable(1_000, "slow")).after(Unreachable(2_000, "gone"))
    assert state.unreachable == Unreachable(1_000, "gone")
    assert state.answers is not None
    assert state.after(second(2)).unreachable is None


def test_keys_select_the_order() -> None:
    state = TopState()
    assert state.sort == "pending"
    for key, sort in (("i", "idle"), ("x", "idle"), ("r", "requests"), ("h", "requests"), ("p", "pending")):
        state = state.after(KeyPress(key))
        assert state.sort == sort


@pytest.mark.parametrize("key", ["h", "?"])
def test_any_key_closes_the_help(key: str) -> None:
    state = TopState().after(KeyPress(key))
    assert state.shows_help
    assert state.after(Resized()).shows_help
    assert not state.after(KeyPress(key)).shows_help
    assert not state.after(KeyPress("\x1b")).shows_help


def test_answers_without_a_required_key_are_rejected() -> None:
    raw = answers()
    del raw["recent"]["now"]["rss_bytes"]
    with pytest.raises(msgspec.ValidationError, match="rss_bytes"):
        Answers.of(raw)
