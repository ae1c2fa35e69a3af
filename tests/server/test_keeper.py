"""The keeper of the private stores, with a clock of the test: how soon a store that ends is started again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from server.embedded import keeper
from server.embedded.keeper import POLL_S, STEADY_S, KeptChild

TENTHS = 10


class Store:
    """A program whose processes live for so many seconds each; `fails`: starts that fail."""

    name = "store"

    def __init__(self, lives_s: float, fails: int = 0) -> None:
        self._lives_s, self._fails = lives_s, fails
        self.now_s = 0.0
        self.told: list[tuple[str, float]] = []

    def start(self) -> Any:
        if self._fails and self.now_s:
            self._fails -= 1
            raise OSError("no memory")
        end_s = self.now_s + self._lives_s
        return SimpleNamespace(process=SimpleNamespace(pid=1, poll=lambda: 9 if self.now_s >= end_s else None))

    def tell(self, **fields: Any) -> None:
        """What the keeper tells its owner, and when."""
        self.told.append((next(iter(fields)), self.now_s))

    def pauses_s(self) -> list[float]:
        """Between each end and the start after it."""
        moments_s = [at_s for _, at_s in self.told[1:]]
        return [round(start_s - end_s, 1) for end_s, start_s in zip(moments_s[::2], moments_s[1::2], strict=False)]


def keep(store: Store, seconds: float, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Keep it for so long; the pauses before its starts."""
    monkeypatch.setattr(keeper, "time", SimpleNamespace(monotonic=lambda: store.now_s))
    monkeypatch.setattr(keeper, "tell", store.tell)
    child = KeptChild(store)  # type: ignore[arg-type]
    for tick in range(round(seconds * TENTHS)):
        store.now_s = tick * POLL_S
        child.look()
    return store.pauses_s()


def test_store_that_ends_at_once_is_started_again_within_five_seconds_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert keep(Store(lives_s=0.0), 18.0, monkeypatch) == [0.2, 0.4, 0.8, 1.6, 3.2, 4.0, 4.0]


def test_store_that_has_run_for_long_is_started_again_after_the_shortest_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert keep(Store(lives_s=STEADY_S + 1), 130.0, monkeypatch) == [0.2, 0.2, 0.2, 0.2]


def test_start_that_fails_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    (pause_s,) = keep(Store(lives_s=5.0, fails=2), 8.0, monkeypatch)
    assert 1.0 <= pause_s <= 1.2  # 0.2, 0.4 and 0.4
