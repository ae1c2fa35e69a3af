"""Refusing early: by how long what waits will take, new work first, and never while nothing waits."""

from __future__ import annotations

import asyncio

import pytest

from server.services import pressure
from server.services.batching import Batcher
from server.services.pressure import NEW_WORK, Pressure
from server.services.refusals import Reason, Refused


class Clock:
    """Time that passes when told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr(pressure, "_now_s", lambda: self.now_s)

    def batch(self, one: Pressure, took_s: float, more_waits: bool = False) -> None:
        one.begin()
        self.now_s += took_s
        one.end(more_waits)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """In the place of the loop's."""
    return Clock(monkeypatch)


def test_nothing_is_refused_while_nothing_waits(clock: Clock) -> None:
    one = Pressure(10, 1_000, 100)
    clock.batch(one, 30.0)
    assert not one.is_too_high(0)


def test_the_wait_is_the_batches_ahead_times_what_one_takes(clock: Clock) -> None:
    one = Pressure(10, 1_000, 1_000)
    for _ in range(50):
        clock.batch(one, 0.1)
    assert one.wait_s(55) == pytest.approx(0.6)
    assert not one.is_too_high(55)
    assert one.is_too_high(55, NEW_WORK)
    assert one.is_too_high(105)
    assert one.retry_after_ms(55) == 600


def test_a_burst_after_quiet_times_is_let_in(clock: Clock) -> None:
    """Small batches are no measure of what a large one does."""
    one = Pressure(1_000, 1_000, 50_000)
    for _ in range(50):
        clock.batch(one, 0.002)
    assert not one.is_too_high(10_000, NEW_WORK)


def test_what_lies_between_batches_counts_while_more_waits(clock: Clock) -> None:
    one = Pressure(10, 1_000, 1_000)
    for _ in range(50):
        clock.batch(one, 0.1, more_waits=True)
        clock.now_s += 0.3
    assert one.wait_s(5) == pytest.approx(0.4, rel=0.01)


def test_a_batch_that_stalls_counts_while_it_does(clock: Clock) -> None:
    one = Pressure(10, 1_000, 1_000)
    clock.batch(one, 0.01)
    one.begin()
    clock.now_s += 1.1
    assert one.is_too_high(1)
    one.end(more_waits=False)
    assert not one.is_too_high(1)


def test_the_count_bounds_what_no_time_has_been_taken_of(clock: Clock) -> None:
    one = Pressure(10, 1_000, 100)
    assert not one.is_too_high(99)
    assert one.is_too_high(100)
    assert one.is_too_high(50, NEW_WORK)


async def test_a_batcher_refuses_with_the_time_to_come_back() -> None:
    gate = asyncio.Event()

    async def work(items: list[int]) -> list[int]:
        await gate.wait()
        return items

    batcher = Batcher(work, 10, wait_ms_max=100.0)
    running = asyncio.create_task(batcher.run())
    first = batcher.submit(1)
    await asyncio.sleep(0.06)
    with pytest.raises(Refused) as refused:
        batcher.submit(2)
    assert refused.value.reason is Reason.OVERLOADED
    assert refused.value.retry_after_ms is not None
    assert refused.value.retry_after_ms >= 100
    gate.set()
    assert await first == 1
    running.cancel()
