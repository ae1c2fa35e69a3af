"""The sampler, the hot packets, and the periodic query."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from server.ops.samples.hot_packets import HotPackets
from server.ops.samples.periodic_query import EVERY_S, PeriodicQuery
from server.ops.samples.sample import Figures, Sample
from server.ops.samples.sampler import SAMPLES_KEPT, Sampler
from storage.errors import StoreUnavailable
from tests.ops.samples import sample


class NumberedSource:
    """A source of samples; the first sample has one push, the second has two, and so on."""

    def __init__(self) -> None:
        self.samples = 0
        self.ticks = 0

    def tick(self) -> None:
        self.ticks += 1

    def sample(self, lag_ms: float) -> Sample:
        self.samples += 1
        return sample(pushes=self.samples, loop_lag_ms=lag_ms)

    def refresh(self, sample: Sample) -> Sample:
        return sample


class Clock:
    """A clock that moves only by sleeping; `late_s` adds a delay to a sleep by its number."""

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


async def test_sampler_takes_a_sample_a_second_and_keeps_the_last_minute(clock: Clock) -> None:
    source = NumberedSource()
    sampler = Sampler(source, clock.now_s)
    await run(sampler, clock, 1_000)
    assert source.samples == source.ticks == 100
    assert clock.s == pytest.approx(100)
    assert sampler.newest.pushes == 100
    assert [one.pushes for one in sampler.last(3)] == [97, 98, 99, 100]
    assert [one.pushes for one in sampler.last(1_000)] == list(range(100 - SAMPLES_KEPT + 1, 101))


async def test_sample_has_the_maximum_loop_lag_of_its_second(clock: Clock) -> None:
    sampler = Sampler(NumberedSource(), clock.now_s)
    clock.late_s = {3: 0.25, 7: 0.04, 15: 0.0301}
    await run(sampler, clock, 30)
    assert [one.loop_lag_ms for one in sampler.last(60)] == [250.0, 30.1, 0.0]
    assert sampler.now().loop_lag_ms == 0.0


async def test_sampler_takes_a_sample_on_request_before_the_first_second(clock: Clock) -> None:
    sampler = Sampler(NumberedSource(), clock.now_s)
    assert sampler.last(10) == [sampler.newest]
    assert sampler.now().pushes == 2
    assert sampler.newest.pushes == 1  # now() keeps nothing


def test_hot_packets_are_those_of_the_last_ten_seconds() -> None:
    hot_packets = HotPackets()
    assert hot_packets.top() == []
    hot_packets.add_second({7: 1_000})
    for _ in range(9):
        hot_packets.add_second({1: 5, 2: 50})
    assert hot_packets.top() == [(7, 1_000), (2, 450), (1, 45)]
    hot_packets.add_second({1: 500})
    assert hot_packets.top() == [(1, 545), (2, 450)]


def test_hot_packets_use_bounded_memory_for_many_packets() -> None:
    hot_packets = HotPackets()
    for second in range(20):
        hot_packets.add_second({second * 1_000_000 + packet: 1 for packet in range(5_000)} | {42: 2})
    assert hot_packets.top()[0] == (42, 20)
    assert len(hot_packets.top()) == 10
    assert sum(len(second) for second in hot_packets._seconds) == 1_000


async def test_periodic_query_that_is_not_wanted_asks_nothing(clock: Clock) -> None:
    asked: list[float] = []

    async def query() -> int:
        asked.append(clock.s)
        return len(asked)

    periodic = PeriodicQuery(query, clock.now_s, lambda: clock.s >= 10)
    clock.stop_after = 3
    with suppress(asyncio.CancelledError):
        await periodic.run()
    assert asked == [10.0, 15.0]
    assert periodic.figures == 2


async def test_periodic_query_keeps_its_last_result_and_pauses_longer_after_a_slow_query(clock: Clock) -> None:
    answers: list[Figures | StoreUnavailable] = [Figures(1), StoreUnavailable("away"), Figures(3)]
    took_s = [0.1, 2.0, 0.5]
    seen: list[tuple[float, Figures | None]] = []

    async def query() -> Figures:
        seen.append((round(clock.s, 3), periodic.figures))
        clock.s += took_s[len(seen) - 1]
        answer = answers[len(seen) - 1]
        if isinstance(answer, StoreUnavailable):
            raise answer
        return answer

    periodic = PeriodicQuery(query, clock.now_s)
    clock.stop_after = 2
    with suppress(asyncio.CancelledError):
        await periodic.run()
    assert seen == [(0, None), (5.1, Figures(1)), (47.1, Figures(1))]  # a pause of 40 s after a query of 2 s
    assert periodic.figures == Figures(3)
    assert EVERY_S == 5
