"""Load shedding: refuses early by the estimated wait, new work first, and never while few requests wait."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import pytest

from server.core.limits import Limits
from server.core.refusals import Reason, RequestRefused
from server.services.chat.login import LoginService
from server.services.packets.commit.path import CommitPath
from server.services.packets.live_packet import LivePacket
from server.services.runtime.batching import Batcher
from server.services.runtime.load_shedding import FEW, NEW_WORK, LoadShedding
from storage.postgres.packets.packets import Advance
from tests.conftest import Server, StartServer
from tests.services.conftest import MakeParty, until


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def now(self) -> float:
        return self.now_s

    def batch(self, shedding: LoadShedding, took_s: float, more_waits: bool = False) -> None:
        shedding.begin()
        self.now_s += took_s
        shedding.end()
        if not more_waits:
            shedding.rest()


@pytest.fixture
def clock() -> Clock:
    """In place of the clock of the event loop."""
    return Clock()


def test_requests_are_accepted_while_few_wait(clock: Clock) -> None:
    """However slow the store is: refused clients would retry at the same store."""
    shedding = LoadShedding(10, Limits(), 100, clock.now)
    clock.batch(shedding, 30.0)
    assert not shedding.is_too_high(0)
    assert not shedding.is_too_high(15, NEW_WORK)
    assert shedding.is_too_high(16)


def test_estimated_wait_is_batches_ahead_times_batch_time(clock: Clock) -> None:
    shedding = LoadShedding(10, Limits(), 1_000, clock.now)
    for _ in range(50):
        clock.batch(shedding, 0.1)
    assert shedding.wait_s(55) == pytest.approx(0.6)
    assert not shedding.is_too_high(55)
    assert shedding.is_too_high(55, NEW_WORK)
    assert shedding.is_too_high(105)
    assert shedding.retry_after_ms(55) == 600


def test_burst_after_quiet_times_is_accepted(clock: Clock) -> None:
    """The time of small batches does not predict the time of a large one."""
    shedding = LoadShedding(1_000, Limits(), 50_000, clock.now)
    for _ in range(50):
        clock.batch(shedding, 0.002)
    assert not shedding.is_too_high(10_000, NEW_WORK)


def test_time_between_batches_counts_while_more_items_wait(clock: Clock) -> None:
    shedding = LoadShedding(10, Limits(), 1_000, clock.now)
    for _ in range(50):
        clock.batch(shedding, 0.1, more_waits=True)
        clock.now_s += 0.3
    assert shedding.wait_s(5) == pytest.approx(0.4, rel=0.01)


def test_quiet_time_between_batches_does_not_count(clock: Clock) -> None:
    shedding = LoadShedding(10, Limits(), 1_000, clock.now)
    clock.batch(shedding, 0.01)
    clock.now_s += 60.0
    clock.batch(shedding, 0.01)
    assert shedding.wait_s(5) < 0.01


def test_stalled_batch_counts_while_it_stalls(clock: Clock) -> None:
    shedding = LoadShedding(10, Limits(), 1_000, clock.now)
    clock.batch(shedding, 0.01)
    shedding.begin()
    clock.now_s += 0.4
    assert not shedding.is_too_high(19)
    assert shedding.is_too_high(19, NEW_WORK)
    clock.now_s += 0.2
    assert shedding.is_too_high(19)
    shedding.end()
    assert not shedding.is_too_high(19)


def test_queue_length_is_bounded_before_any_batch_was_timed(clock: Clock) -> None:
    shedding = LoadShedding(10, Limits(), 100, clock.now)
    assert not shedding.is_too_high(99)
    assert shedding.is_too_high(100)
    assert shedding.is_too_high(50, NEW_WORK)


async def test_batcher_refuses_with_a_retry_time() -> None:
    """While the store stalls, the batcher accepts only a few items, and completes all of them."""
    gate = asyncio.Event()

    async def work(items: list[int]) -> list[int]:
        await gate.wait()
        return items

    batcher = Batcher(work, 10, Limits(wait_ms_max=100.0))
    running = asyncio.create_task(batcher.run())
    accepted = [batcher.submit(0)]
    await asyncio.sleep(0.06)
    accepted += [batcher.submit(number) for number in range(1, FEW)]
    with pytest.raises(RequestRefused) as refused:
        batcher.submit(FEW)
    assert refused.value.reason is Reason.OVERLOADED
    assert refused.value.retry_after_ms is not None
    assert refused.value.retry_after_ms >= 100
    gate.set()
    assert await asyncio.gather(*accepted) == list(range(FEW))
    running.cancel()


async def test_quiet_time_of_a_batcher_is_no_wait(clock: Clock) -> None:
    async def work(items: list[int]) -> list[int]:
        return items

    batcher = Batcher(work, 10, Limits())
    batcher._load_shedding._clock = clock.now
    running = asyncio.create_task(batcher.run())
    await batcher.submit(1)
    clock.now_s += 60.0
    await batcher.submit(2)
    assert batcher._load_shedding.wait_s(5) == 0.0
    running.cancel()


async def test_logins_are_limited_by_the_config() -> None:
    class Stalled:
        async def profiles(self, user_ids: list[int]) -> None:
            await asyncio.Event().wait()

    auth = LoginService({}, math.inf, Limits(wait_ms_max=20.0), lambda: 0, *[Stalled()] * 2)  # type: ignore[arg-type]
    running = asyncio.create_task(auth.batcher.run())
    waiting = [auth.batcher.submit(user_id) for user_id in range(FEW)]
    await asyncio.sleep(0.03)
    with pytest.raises(RequestRefused) as refused:
        await auth.batcher.submit(FEW)
    assert refused.value.reason is Reason.OVERLOADED
    for task in (running, *waiting):
        task.cancel()


async def test_retry_time_is_that_of_the_longer_queue(server: Server) -> None:
    """The queue of packets to load may be the longer one."""
    opens, recovery = server.app.services.opens, server.app.services.recovery
    assert opens.retry_after_ms == 100
    recovery._load_shedding._batch_s = 0.7
    recovery._to_load[LivePacket(1)] = None
    assert opens.retry_after_ms == 700
    recovery._to_load.clear()


async def test_quiet_time_after_claims_that_were_still_recorded_is_no_wait(
    start_server: StartServer, party: MakeParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With durability redis the record is behind the answers: when the last one is given, batches wait for it."""
    room = await party(await start_server(stores__durability="redis"), 1)
    commit = room.server.app.services.commit
    packets = [await room.lucky(100, 2) for _ in range(4)]
    record, is_free = commit._stores._packets.record, asyncio.Event()

    async def record_later(advances: Sequence[Advance]) -> set[int]:
        await is_free.wait()
        return await record(advances)

    monkeypatch.setattr(commit._stores._packets, "record", record_later)
    for packet_id in packets[:3]:
        await room.guests[0].open(packet_id)
    is_free.set()
    await until(lambda: _nothing_is_unrecorded(commit))
    now_s = asyncio.get_running_loop().time
    monkeypatch.setattr(commit._load_shedding, "_clock", lambda: now_s() + 60.0)
    await room.guests[0].open(packets[3])
    assert commit._load_shedding.wait_s(1) < 10.0


async def _nothing_is_unrecorded(commit: CommitPath) -> bool:
    return not commit.unrecorded
