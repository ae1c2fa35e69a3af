"""Posts of one stream in their order: what waits for its predecessor, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest

from server.peers.stream_order import FRESH_S, HOLD_S, StreamOrder
from server.services.runtime.events import BalanceChange, TextPost, WalletBalance

GROUP, OTHER = 10**18, 10**18 + 1
READERS = (1, 2)


class Pushed:
    """Posts in the order of their pushes; `pass_time` moves the clock and does what was planned for later."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.now_s = 100.0
        self._planned: list[tuple[float, Callable[[], None]]] = []
        self.order = StreamOrder(self._push, lambda: self.now_s, self._later)

    def _push(self, event: Any, audience: Collection[int]) -> None:
        assert audience == READERS
        self.numbers.append(event.message)

    def _later(self, seconds: float, work: Callable[[], None]) -> None:
        self._planned.append((self.now_s + seconds, work))

    def post(self, *numbers: int, stream: int = GROUP) -> None:
        for number in numbers:
            event = TextPost(stream, number, 1, 0, "")
            if self.order.admits(event, READERS):
                self._push(event, READERS)

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        due = [work for at_s, work in self._planned if at_s <= self.now_s]
        self._planned = [one for one in self._planned if one[0] > self.now_s]
        for work in due:
            work()


@pytest.fixture
def pushed() -> Pushed:
    return Pushed()


def test_posts_in_order_do_not_wait(pushed: Pushed) -> None:
    pushed.post(7, 8, 9)
    assert pushed.numbers == [7, 8, 9]


def test_post_waits_for_its_predecessor(pushed: Pushed) -> None:
    pushed.post(7, 10, 9)
    assert pushed.numbers == [7]
    pushed.post(8)
    pushed.pass_time(0.0)
    assert pushed.numbers == [7, 8, 9, 10]


def test_post_whose_predecessor_does_not_come_is_pushed_after_a_moment(pushed: Pushed) -> None:
    pushed.post(7, 9, 10)
    pushed.pass_time(HOLD_S)
    assert pushed.numbers == [7, 9, 10]
    pushed.post(8)  # late, and told at once
    pushed.post(11)
    assert pushed.numbers == [7, 9, 10, 8, 11]


def test_stream_that_was_quiet_waits_for_nothing(pushed: Pushed) -> None:
    pushed.post(7)
    pushed.pass_time(FRESH_S)
    pushed.post(20)
    assert pushed.numbers == [7, 20]


def test_streams_do_not_wait_for_each_other(pushed: Pushed) -> None:
    pushed.post(7, 9)
    pushed.post(1, 2, stream=OTHER)
    assert pushed.numbers == [7, 1, 2]


def test_event_without_a_number_never_waits(pushed: Pushed) -> None:
    pushed.post(7, 9)
    assert pushed.order.admits(BalanceChange(1, WalletBalance(5, 2), 5, "claim"), (1,))
