"""A worker as its supervisor keeps it: one number, its sockets, and one process after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from server.ops.samples.sample import WorkerRow, WorkerState
from server.worker_place import HeldSockets
from server.workers.held_sockets import HeldAddresses, close
from server.workers.merge import Ended
from server.workers.messages import WorkerServes
from server.workers.orders import WorkerOrders
from server.workers.process import WorkerProcess

LOG = structlog.get_logger()
PAUSE_S_MIN: Final = 0.2  # before a process is started again; doubled each time
PAUSE_S_MAX: Final = 4.0
STEADY_S: Final = 30.0  # an end after so long is not a quick one
QUICK_ENDS_MAX: Final = 5
DRAIN_S_MAX: Final = 36.0  # a worker drains for up to 30 s, and hangs up then
END_S: Final = 5.0  # after a second SIGTERM
SILENT_S: Final = 3  # a worker that has not answered for so many seconds is shown as silent
HUNG_S: Final = 20  # … and is killed: longer than any turn of the loop
START_S_MAX = 120.0  # of a process that starts once the tables are up to date: one that hangs is killed

OrdersFor = Callable[[int, HeldSockets], WorkerOrders]  # for the worker of this number


class WorkerNotStarted(Exception):
    """A worker ended before it served; the message is one line. `passes`: the cause may pass by itself."""

    def __init__(self, why: str, passes: bool = False) -> None:
        super().__init__(why)
        self.passes = passes


class KeptWorker:
    """Starts the processes of one worker. A process that ends by itself is started again, unless it does so quickly
    five times: then its sockets are closed, so that the kernel gives its connections to the other workers.
    """

    def __init__(self, number: int, orders: OrdersFor, addresses: HeldAddresses, ended: Ended) -> None:
        self.number = number
        self._orders = orders
        self._addresses = addresses
        self._ended = ended  # the counters of processes that have ended
        self._sockets: HeldSockets | None = None
        self._now_s = asyncio.get_running_loop().time
        self.process: WorkerProcess | None = None  # the one that takes new connections
        self._successor: WorkerProcess | None = None  # it starts, and takes the place of `process` when it serves
        self.processes: list[WorkerProcess] = []  # all that live, those that drain included
        self._again: asyncio.TimerHandle | None = None
        self._pause_s = PAUSE_S_MIN
        self._has_served = self._is_given_up = self._is_stopping = False
        self.quick_ends = 0  # in a row
        self.ends = 0  # how often it ended without being told to
        self.lost_counts = 0  # of these, and of those that were killed: without a last sample
        self.silent_s = 0.0  # for how long the process has not answered
        self.why = ""  # why it does not serve

    # --- state ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> WorkerState:
        """What it does now."""
        if self.process is not None and self.process.serves is not None:
            return "silent" if self.silent_s >= SILENT_S else "serving"
        if self.process is not None or self._successor is not None:
            return "starting"
        return "given up" if self._is_given_up else "waiting"

    def row(self) -> WorkerRow:
        """The worker for operators."""
        process, state = self.process, self.state
        last = None if process is None else process.last
        return WorkerRow(
            worker=self.number,
            state=state,
            pid=None if process is None else process.pid,
            up_s=0.0 if process is None else round(self._now_s() - process.began_s, 1),
            connections=0 if last is None else last.connections,
            loop_lag_ms=0.0 if last is None else last.loop_lag_ms,
            rss_bytes=0 if last is None else last.rss_bytes,
            links=0 if last is None or last.links is None else sum(last.links.up.values()),
            ends=self.ends,
            why=""
            if state == "serving"
            else f"no answer for {self.silent_s:.0f} s"
            if state == "silent"
            else self.why,
        )

    def answered(self) -> None:
        """The process has answered."""
        self.silent_s = 0.0

    def did_not_answer(self, for_s: float) -> None:
        """The process was asked for so long. One that hangs is killed, and started again like any that ends."""
        self.silent_s += for_s
        if self.silent_s >= HUNG_S and self.process is not None:
            LOG.error("worker_hangs", worker=self.number, pid=self.process.pid, silent_s=round(self.silent_s))
            self.silent_s = 0.0
            self.process.kill()

    # --- start and end ----------------------------------------------------------------------------------------

    async def start(self) -> WorkerServes:
        """Start it for the first time; returns when it serves. Raises WorkerNotStarted, OSError."""
        self.process = self._spawn()
        return await self._serves(self.process)

    async def start_beside(self) -> None:
        """Start it for the first time beside one that serves; returns when it serves or has ended. Raises OSError.

        One that ends is started again: what is wrong with the stores the one that serves would have said.
        """
        self._has_served = True
        self.process = self._spawn()
        with suppress(WorkerNotStarted):
            await self._serves(self.process)

    async def replace(self) -> None:
        """Start a successor on the same sockets; when it serves, drain the process before it.

        Raises WorkerNotStarted, OSError: then the process before it goes on.
        """
        self._cancel_again()
        self.quick_ends, self._pause_s, self._is_given_up = 0, PAUSE_S_MIN, False
        self._successor = successor = self._spawn()
        try:
            await self._serves(successor)
        finally:
            self._successor = None
            if successor.serves is None:
                successor.kill()
                if self.process is None:
                    self._start_later()
        before, self.process, self.silent_s, self.why = self.process, successor, 0.0, ""
        if before is not None:
            await _drained(before)

    async def stop(self) -> None:
        """Drain all processes and start none any more. If it is cancelled, they are ended at once."""
        self._is_stopping = True
        self._cancel_again()
        processes = list(self.processes)
        for one in processes:
            one.drain()
        try:
            await asyncio.gather(*(_ended_within(one, DRAIN_S_MAX) for one in processes))
        finally:
            await asyncio.gather(*(_end_at_once(one) for one in processes))
            self.close_sockets()

    def close_sockets(self) -> None:
        """Close our copies. If no process has another, the kernel gives no connection to this worker any more."""
        if self._sockets is not None:
            close(self._sockets)
            self._sockets = None

    def _spawn(self) -> WorkerProcess:
        if self._sockets is None:
            self._sockets = self._addresses.bind()
        orders = self._orders(self.number, self._sockets)
        process = WorkerProcess(orders, self._sockets, self._changed, self._now_s())
        self.processes.append(process)
        if self._has_served:  # before that it may migrate, which takes as long as it takes
            asyncio.get_running_loop().call_later(START_S_MAX, self._end_hung_start, process)
        return process

    def _end_hung_start(self, process: WorkerProcess) -> None:
        """A process that was frozen in its start, or waits for what does not come, ends like any other."""
        if process.serves is None and not process.ended.is_set():
            LOG.error("worker_does_not_start", worker=self.number, pid=process.pid)
            process.kill()

    async def _serves(self, process: WorkerProcess) -> WorkerServes:
        await process.news.wait()
        if process.serves is None:
            failed = process.failed
            why = f"it ended with {ended_with(process)}" if failed is None else failed.why
            raise WorkerNotStarted(why, failed is not None and failed.passes)
        return process.serves

    def _changed(self, process: WorkerProcess) -> None:
        if not process.ended.is_set():
            self._has_served = True
            if process is self.process:
                self.silent_s, self.why = 0.0, ""
            return
        self.processes.remove(process)
        if process.last is not None:
            self._ended.add(process.last)
        self.lost_counts += process.serves is not None and not process.has_counted
        if process is not self.process:
            return
        self.process = None
        if self._has_served and not self._is_stopping:  # the first start fails as a whole, see `start`
            self._ended_by_itself(process)

    def _ended_by_itself(self, process: WorkerProcess) -> None:
        self.ends += 1
        lived_s = self._now_s() - process.began_s
        if lived_s > STEADY_S:
            self.quick_ends, self._pause_s = 0, PAUSE_S_MIN
        self.quick_ends += 1
        passes = process.failed is not None and process.failed.passes
        self.why = ended_with(process) if process.failed is None else process.failed.why
        LOG.error("worker_ended", worker=self.number, pid=process.pid, lived_s=round(lived_s, 1), why=self.why)
        if self.quick_ends >= QUICK_ENDS_MAX:
            self.close_sockets()
            if not passes:
                self._is_given_up = True
                self.why = f"it ended {self.quick_ends} times within {STEADY_S:g} s of its start, last: {self.why}"
                LOG.error("worker_given_up", worker=self.number, advice="hongbao restart starts it again")
                return
        if self._successor is None:
            self._start_later()

    def _start_later(self) -> None:
        if not self._is_stopping:
            self._again = asyncio.get_running_loop().call_later(self._pause_s, self._start_again)
            self._pause_s = min(2 * self._pause_s, PAUSE_S_MAX)

    def _start_again(self) -> None:
        self._again = None
        try:
            self.process = self._spawn()
        except OSError as error:  # no memory, no file, the port is taken: later
            self.why = str(error)
            self._start_later()

    def _cancel_again(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None


def ended_with(process: WorkerProcess) -> str:
    """How a process ended, in words."""
    code = process.code or 0
    return f"signal {-code}" if code < 0 else f"exit code {code}"


async def _drained(process: WorkerProcess) -> None:
    process.drain()
    await _ended_within(process, DRAIN_S_MAX)
    await _end_at_once(process)


async def _ended_within(process: WorkerProcess, seconds: float) -> None:
    """Until it has ended, or the time is over."""
    try:
        async with asyncio.timeout(seconds):
            await process.ended.wait()
    except TimeoutError:
        pass


async def _end_at_once(process: WorkerProcess) -> None:
    """Does nothing if it has ended."""
    if not process.ended.is_set():
        process.drain()
        await _ended_within(process, END_S)
    if not process.ended.is_set():
        process.kill()
        await process.ended.wait()
