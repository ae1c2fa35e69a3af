"""What happens to the view of `hongbao top`, event by event."""

from __future__ import annotations

import msgspec
import pytest

from server.top.state import KEPT, LEFT_CURVES, Answers, Connections, KeyPress, Resized, Unreachable, TopState
from tests.top.answers import LISTED, answers

WINS = next(curve for curve in LEFT_CURVES if curve.title == "wins/s")


def second(wins_per_s: float) -> Answers:
    """Answers whose last second had so many wins."""
    told = answers()
    told["last_second"]["rates"]["wins_per_s"] = wins_per_s
    return Answers.of(told)


def test_a_minute_is_kept() -> None:
    view = TopState()
    for number in range(KEPT + 5):
        view = view.after(second(number))
    assert view.points(WINS) == tuple(range(5, KEPT + 5))


def test_another_order_is_no_new_second() -> None:
    view = TopState().after(second(1)).after(Connections([]))
    assert view.points(WINS) == (1,)
    assert view.answers is not None
    assert view.answers.listed.connections == []
    assert TopState().after(msgspec.convert(LISTED, Connections)) == TopState()


def test_silence_began_when_it_was_noticed_first_and_ends_with_an_answer() -> None:
    view = TopState().after(second(1)).after(Unreachable(1_000, "slow")).after(Unreachable(2_000, "gone"))
    assert view.silence == Unreachable(1_000, "gone")
    assert view.answers is not None
    assert view.after(second(2)).silence is None


def test_keys_choose_the_order() -> None:
    view = TopState()
    assert view.sort == "pending"
    for key, sort in (("i", "idle"), ("x", "idle"), ("r", "requests"), ("h", "requests"), ("p", "pending")):
        view = view.after(KeyPress(key))
        assert view.sort == sort


@pytest.mark.parametrize("key", ["h", "?"])
def test_any_key_ends_the_help(key: str) -> None:
    view = TopState().after(KeyPress(key))
    assert view.helps
    assert view.after(Resized()).helps
    assert not view.after(KeyPress(key)).helps
    assert not view.after(KeyPress("\x1b")).helps


def test_answers_in_other_words_are_no_answers() -> None:
    told = answers()
    del told["lately"]["now"]["rss_bytes"]
    with pytest.raises(msgspec.ValidationError, match="rss_bytes"):
        Answers.of(told)
