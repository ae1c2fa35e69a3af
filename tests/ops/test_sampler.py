"""The sampler, the hottest packets, and the figures that are asked for now and then."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from server.ops.samples import periodic_query as figures_module
from server.ops.samples.hottest import Hottest
from server.ops.samples.periodic_query import PeriodicQuery
from server.ops.samples.sample import Figures, Sample
from server.ops.samples.sampler import KEPT, Sampler
from storage.errors import StoreUnavailable
from tests.ops.samples import sample


class Observed:
    """Counts how often it was looked at; each look is a sample with that number of pushes."""

    def __init__(self) -> None:
        self.looks = 0
        self.turns = 0

    def turn(self) -> None:
        self.turns += 1

    def sample(self, lag_ms: float) -> Sample:
        self.looks += 1
        return sample(pushes=self.looks, loop_lag_ms=lag_ms)


class Clock:
    """A clock that a test moves: so far at every sleep, and late where it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.s = 0.0
        self.sleeps = 0
        self.late_s: dict[int, float] = {}
        self.stop_after = 10**9
        monkeypatch.setattr(asyncio, "sleep", self._sleep)

    def now_s(self) -> float:
        return self.s

    async def _sleep(self, for_s: float) -> None:
        if self.sleeps == self.stop_after:
            raise asyncio.CancelledError
        self.s += for_s + self.late_s.get(self.sleeps, 0.0)
        self.sleeps += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def run(sampler: Sampler, clock: Clock, sleeps: int) -> None:
    clock.stop_after = sleeps
    with suppress(asyncio.CancelledError):
        await sampler.run()


async def test_a_sample_a_second_and_the_last_minute_is_kept(clock: Clock) -> None:
    observed = Observed()
    sampler = Sampler(observed, clock.now_s)
    await run(sampler, clock, 1_000)
    assert observed.looks == observed.turns == 100
    assert clock.s == pytest.approx(100)
    assert sampler.newest.pushes == 100
    assert [one.pushes for one in sampler.last(3)] == [97, 98, 99, 100]
    assert [one.pushes for one in sampler.last(1_000)] == list(range(100 - KEPT + 1, 101))


async def test_the_worst_lag_of_a_second_is_told(clock: Clock) -> None:
    observed = Observed()
    sampler = Sampler(observed, clock.now_s)
    clock.late_s = {3: 0.25, 7: 0.04, 15: 0.0301}
    await run(sampler, clock, 30)
    assert [one.loop_lag_ms for one in sampler.last(60)] == [250.0, 30.1, 0.0]
    assert sampler.now().loop_lag_ms == 0.0


async def test_before_the_first_second_there_is_a_sample_too(clock: Clock) -> None:
    sampler = Sampler(Observed(), clock.now_s)
    assert sampler.last(10) == [sampler.newest]
    assert sampler.now().pushes == 2
    assert sampler.newest.pushes == 1  # one that was asked for is not kept


def test_the_hottest_packets_of_ten_seconds() -> None:
    hottest = Hottest()
    assert hottest.top() == []
    hottest.turn({7: 1_000})
    for _ in range(9):
        hottest.turn({1: 5, 2: 50})
    assert hottest.top() == [(7, 1_000), (2, 450), (1, 45)]
    hottest.turn({1: 500})
    assert hottest.top() == [(1, 545), (2, 450)]


def test_many_packets_cost_bounded_memory() -> None:
    hottest = Hottest()
    for second in range(20):
        hottest.turn({second * 1_000_000 + packet: 1 for packet in range(5_000)} | {42: 2})
    assert hottest.top()[0] == (42, 20)
    assert len(hottest.top()) == 10
    assert sum(len(second) for second in hottest._seconds) == 1_000


async def test_figures_are_asked_for_now_and_then(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Figures | StoreUnavailable] = [Figures(1), StoreUnavailable("away"), Figures(3)]
    took_s = [0.1, 2.0, 0.5]
    seen: list[tuple[float, Figures | None]] = []

    async def ask() -> Figures:
        seen.append((round(clock.s, 3), asked.figures))
        clock.s += took_s[len(seen) - 1]
        answer = answers[len(seen) - 1]
        if isinstance(answer, StoreUnavailable):
            raise answer
        return answer

    asked = PeriodicQuery(ask, clock.now_s)
    clock.stop_after = 2
    with suppress(asyncio.CancelledError):
        await asked.run()
    assert seen == [(0, None), (5.1, Figures(1)), (47.1, Figures(1))]  # 40 s rest after an answer that took 2
    assert asked.figures == Figures(3)
    assert figures_module.EVERY_S == 5
