"""A worker as its supervisor keeps it, with processes that a test starts and ends by hand."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from server.ops.samples.sample import Sample
from server.worker_place import HeldSockets
from server.workers import worker as module
from server.workers.merge import Ended
from server.workers.messages import WorkerFailed, WorkerServes
from server.workers.worker import HUNG_S, QUICK_ENDS_MAX, SILENT_S, KeptWorker, WorkerNotStarted
from tests.conftest import PATIENCE_S
from tests.ops.samples import sample

SERVES = WorkerServes("tcp://127.0.0.1:1", "", "")


class HandProcess:
    """A process that does what the test says."""

    def __init__(self, orders: Any, sockets: HeldSockets, changed: Callable[[Any], None], now_s: float) -> None:
        self.began_s, self.sockets = now_s, sockets
        self.number, self.pid = 0, 100 + len(STARTED)
        self._changed = changed
        self.serves: WorkerServes | None = None
        self.failed: WorkerFailed | None = None
        self.last: Sample | None = None
        self.has_counted = False
        self.code: int | None = None
        self.ended, self.news = asyncio.Event(), asyncio.Event()
        self.drains = 0
        self.ends_when_drained = True
        STARTED.append(self)

    def serve(self) -> None:
        self.serves = SERVES
        self._tell()

    def end(self, code: int = -9, failed: WorkerFailed | None = None) -> None:
        self.code, self.failed = code, failed
        self.ended.set()
        self._tell()

    def drain(self) -> None:
        self.drains += 1
        if self.ends_when_drained and not self.ended.is_set():
            self.has_counted = True
            self.end(0)

    def kill(self) -> None:
        if not self.ended.is_set():
            self.end()

    def _tell(self) -> None:
        self.news.set()
        self._changed(self)


class HandAddresses:
    """Counts how often sockets were bound."""

    def __init__(self) -> None:
        self.bound = 0

    def bind(self) -> HeldSockets:
        self.bound += 1
        return HeldSockets()


STARTED: list[HandProcess] = []


@pytest.fixture
def addresses() -> HandAddresses:
    return HandAddresses()


@pytest.fixture
async def worker(monkeypatch: pytest.MonkeyPatch, addresses: HandAddresses) -> KeptWorker:
    """Its processes are those of the test, and pauses are short."""
    STARTED.clear()
    monkeypatch.setattr(module, "WorkerProcess", HandProcess)
    monkeypatch.setattr(module, "PAUSE_S_MIN", 0.001)
    monkeypatch.setattr(module, "PAUSE_S_MAX", 0.01)
    monkeypatch.setattr(module, "DRAIN_S_MAX", 0.05)
    monkeypatch.setattr(module, "END_S", 0.05)
    return KeptWorker(1, lambda number, _: SimpleNamespace(number=number), addresses, Ended())  # type: ignore[arg-type,return-value]


async def started(worker: KeptWorker) -> HandProcess:
    """Start it for the first time."""
    starting = asyncio.ensure_future(worker.start())
    await asyncio.sleep(0)
    STARTED[0].serve()
    assert await starting is SERVES
    return STARTED[0]


async def next_process() -> HandProcess:
    """Until one more process was started."""
    count = len(STARTED)
    async with asyncio.timeout(PATIENCE_S):
        while len(STARTED) == count:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    return STARTED[-1]


async def test_first_start_that_fails_is_not_repeated(worker: KeptWorker) -> None:
    starting = asyncio.ensure_future(worker.start())
    await asyncio.sleep(0)
    STARTED[0].end(1, WorkerFailed("PostgreSQL: is away", passes=True))
    with pytest.raises(WorkerNotStarted, match=r"^PostgreSQL: is away$") as failed:
        await starting
    assert failed.value.passes
    await asyncio.sleep(0.01)
    assert (len(STARTED), worker.ends) == (1, 0)


async def test_ended_process_is_started_again(worker: KeptWorker) -> None:
    first = await started(worker)
    first.end(-9)
    assert (worker.state, worker.ends, worker.row().why, worker.row().pid) == ("waiting", 1, "signal 9", None)
    second = await next_process()
    assert worker.state == "starting"
    second.serve()
    assert (worker.state, worker.row().why, worker.row().pid) == ("serving", "", second.pid)


async def test_worker_is_given_up_after_quick_ends_and_its_socket_is_closed(
    worker: KeptWorker, addresses: HandAddresses
) -> None:
    process = await started(worker)
    for _ in range(QUICK_ENDS_MAX - 1):
        process.end()
        process = await next_process()
        process.serve()
    assert addresses.bound == 1
    process.end()
    assert worker.state == "given up"
    await asyncio.sleep(0.05)
    assert len(STARTED) == QUICK_ENDS_MAX
    replacing = asyncio.ensure_future(worker.replace())
    await asyncio.sleep(0)
    assert worker.state == "starting"
    STARTED[-1].serve()
    await replacing
    assert (worker.state, addresses.bound) == ("serving", 2)


async def test_ends_far_apart_give_no_worker_up(worker: KeptWorker) -> None:
    process = await started(worker)
    for _ in range(3 * QUICK_ENDS_MAX):
        process.began_s -= module.STEADY_S + 1
        process.end()
        process = await next_process()
        process.serve()
    assert worker.state == "serving"


async def test_worker_whose_store_is_away_is_tried_until_it_serves(
    worker: KeptWorker, addresses: HandAddresses
) -> None:
    """And it holds no socket meanwhile: the others get its connections."""
    process = await started(worker)
    process.end()
    for _ in range(2 * QUICK_ENDS_MAX):
        process = await next_process()
        process.end(1, WorkerFailed("PostgreSQL: is away", passes=True))
    assert worker.row().why == "PostgreSQL: is away"
    (await next_process()).serve()
    assert worker.state == "serving"
    assert addresses.bound > 1


async def test_successor_serves_before_the_process_is_drained(worker: KeptWorker) -> None:
    first = await started(worker)
    replacing = asyncio.ensure_future(worker.replace())
    await asyncio.sleep(0)
    second = STARTED[1]
    assert (worker.state, first.drains) == ("serving", 0)
    second.serve()
    await replacing
    assert (first.drains, worker.process, worker.ends) == (1, second, 0)


async def test_failed_successor_changes_nothing(worker: KeptWorker) -> None:
    first = await started(worker)
    replacing = asyncio.ensure_future(worker.replace())
    await asyncio.sleep(0)
    STARTED[1].end(1)
    with pytest.raises(WorkerNotStarted, match="exit code 1"):
        await replacing
    assert (worker.state, worker.process, first.drains, worker.ends) == ("serving", first, 0, 0)


async def test_process_that_ends_while_its_successor_starts_is_not_started_twice(worker: KeptWorker) -> None:
    first = await started(worker)
    replacing = asyncio.ensure_future(worker.replace())
    await asyncio.sleep(0)
    first.end()
    await asyncio.sleep(0.02)
    assert (len(STARTED), worker.state) == (2, "starting")
    STARTED[1].serve()
    await replacing
    assert (worker.state, len(STARTED)) == ("serving", 2)


async def test_worker_without_process_and_successor_is_tried_again(worker: KeptWorker) -> None:
    first = await started(worker)
    replacing = asyncio.ensure_future(worker.replace())
    await asyncio.sleep(0)
    first.end()
    STARTED[1].end(1)
    with pytest.raises(WorkerNotStarted):
        await replacing
    (await next_process()).serve()
    assert worker.state == "serving"


async def test_process_that_does_not_drain_is_ended_at_once(worker: KeptWorker) -> None:
    first = await started(worker)
    first.ends_when_drained = False
    await worker.stop()
    assert (first.drains, first.code) == (2, -9)


async def test_successor_that_hangs_in_its_start_is_killed_and_the_restart_ends(
    worker: KeptWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await started(worker)
    monkeypatch.setattr(module, "START_S_MAX", 0.01)
    with pytest.raises(WorkerNotStarted):
        async with asyncio.timeout(PATIENCE_S):
            await worker.replace()
    assert (STARTED[1].code, first.code, worker.state) == (-9, None, "serving")


async def test_first_start_takes_as_long_as_it_takes_and_a_process_that_serves_is_left_alone(
    worker: KeptWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_S_MAX", 0.0)
    starting = asyncio.ensure_future(worker.start())
    await asyncio.sleep(0.01)
    assert STARTED[0].code is None
    STARTED[0].serve()
    await starting
    worker._end_hung_start(STARTED[0])  # type: ignore[arg-type]
    assert (STARTED[0].code, worker.state) == (None, "serving")


async def test_silent_process_is_shown_then_killed(worker: KeptWorker) -> None:
    first = await started(worker)
    worker.did_not_answer(SILENT_S)
    assert (worker.state, worker.row().why) == ("silent", "no answer for 3 s")
    worker.answered()
    assert worker.state == "serving"
    worker.did_not_answer(HUNG_S - 1)
    assert first.code is None
    worker.did_not_answer(1)
    assert (first.code, worker.ends) == (-9, 1)


async def test_counters_of_a_killed_process_are_lost_in_part_and_those_of_a_drained_one_are_not(
    worker: KeptWorker,
) -> None:
    first = await started(worker)
    first.last = sample(accepted=5)
    replacing = asyncio.ensure_future(worker.replace())
    await asyncio.sleep(0)
    second = STARTED[1]
    second.serve()
    await replacing
    assert worker.lost_counts == 0
    second.last = sample(accepted=7)
    second.end()
    assert worker.lost_counts == 1
    assert worker._ended.of("accepted") == [12]


async def test_counters_of_a_process_that_is_killed_before_its_first_sample_are_lost(worker: KeptWorker) -> None:
    first = await started(worker)
    first.end()
    assert worker.lost_counts == 1
    (await next_process() if len(STARTED) == 1 else STARTED[1]).end()  # it has served no one
    assert worker.lost_counts == 1


def test_worker_has_no_library_in_memory_that_draws_terminals() -> None:
    """structlog imports rich where it is installed: four megabytes in each worker."""
    code = """
import contextlib, sys
from server.workers.worker_program import run
with contextlib.suppress(Exception):
    run()  # no orders come
print("structlog.dev" in sys.modules, [name for name in sys.modules if name.startswith("rich.")], file=sys.stderr)
"""
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    assert ended.stderr.splitlines()[-1] == "True []"
