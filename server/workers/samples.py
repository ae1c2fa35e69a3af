"""Samples of the server as a whole: once a second every worker is asked for its own, and they are merged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from server import logs
from server.clock import Clock
from server.core.latency import Latencies
from server.ops.health import Health, health
from server.ops.samples.sample import CampaignReportLine, Figures, Sample, State, WorkerRow
from server.ops.socket.command_texts import ON_DUTY, VIEWED
from server.ops.socket.status_socket import ask
from server.workers.kept_figures import KeptFigures, without_figures
from server.workers.merge import Ended, merged
from server.workers.process import WorkerProcess
from server.workers.worker import HUNG_S, KeptWorker

ANSWERS_S: Final = 0.5  # for all of them together; a later answer is taken when it comes
TICK_S_MAX: Final = 2.0  # a longer time between two samples is that of a supervisor which was stopped itself


class WorkerSamples:
    """Asks the workers, and is the source of the supervisor's samples."""

    def __init__(
        self,
        workers: Sequence[KeptWorker],
        ended: Ended,
        *,
        durability: str,
        backlog_s_max: float,
        failing_loops: Callable[[], Mapping[str, str]],
        clock: Clock,
    ) -> None:
        """`ended`: what stays of processes that have ended. `failing_loops`: the supervisor's own."""
        self._workers = workers
        self._ended = ended
        self._durability = durability
        self._backlog_s_max = backlog_s_max
        self._failing_loops = failing_loops
        self._now_ms, self._now_s = clock.now_ms, clock.elapsed_s
        self._started_s, self._started_at_ms = clock.elapsed_s(), clock.now_ms()
        self._ticked_s = self._started_s
        self._asked: dict[WorkerProcess, asyncio.Task[None]] = {}
        self._kept = KeptFigures()
        self._on_duty: WorkerProcess | None = None
        self.campaigns: Sequence[
            CampaignReportLine
        ] = ()  # open ones, as of the last time that a dashboard was open
        self.state: State = "starting"

    # --- the source of samples --------------------------------------------------------------------------------

    def tick(self) -> None:
        """Called once a second: who has not answered since the last time."""
        before_s, self._ticked_s = self._ticked_s, self._now_s()
        passed_s = min(self._ticked_s - before_s, TICK_S_MAX)
        for worker in self._workers:
            if worker.process in self._asked:
                worker.did_not_answer(passed_s)
            else:
                worker.answered()

    def sample(self, lag_ms: float) -> Sample:
        """All workers, as they last answered; `lag_ms` is the lag of the supervisor's own loop."""
        found = [
            process.last if self._on_duty in (None, process) else without_figures(process.last)
            for worker in self._workers
            for process in worker.processes
            if process.last is not None
        ]
        if not found:
            return self._empty(lag_ms)
        whole = self._kept.filled(merged(found, self._ended), self._now_s())
        return replace(
            whole,
            started_at_ms=whole.at_ms - round((self._now_s() - self._started_s) * 1000),
            state=self._state_of(whole),
            lost_counts=sum(worker.lost_counts for worker in self._workers),
            failing_loops={**whole.failing_loops, **self._failing_loops()},
        )

    def refresh(self, sample: Sample) -> Sample:
        """The sample with what the supervisor itself knows of this moment."""
        return replace(sample, state=self._state_of(sample))

    def _state_of(self, sample: Sample) -> State:
        return sample.state if self.state == "serving" else self.state

    def _empty(self, lag_ms: float) -> Sample:
        """No worker has answered yet."""
        return Sample(
            at_ms=self._now_ms(),
            clock_s=self._now_s(),
            started_at_ms=self._started_at_ms,
            state=self.state,
            durability=self._durability,
            connections=0,
            users_online=0,
            accepted=0,
            closes={},
            slow_readers=0,
            requests={},
            refusals={},
            answers={},
            pushes=0,
            open_ms=Latencies(),
            redis_ms=Latencies(),
            postgres_ms=Latencies(),
            batches=0,
            claims=0,
            rejected=0,
            redriven=0,
            unrecorded=0,
            live_packets=0,
            other_servers=0,
            current=False,
            hottest=(),
            settled=0,
            refunded_packets=0,
            sends=0,
            money_fen=dict.fromkeys(("topped_up", "withdrawn", "sent", "claimed", "refunded"), 0),
            figures=None,
            loop_lag_ms=lag_ms,
            rss_bytes=0,
            stores={},
            audit=None,
        )

    # --- asking -----------------------------------------------------------------------------------------------

    async def collect(self, *, is_viewed: bool = False) -> None:
        """Ask all workers for a sample. A worker that is still asked is not asked again.

        The first that serves is on duty: it alone reads figures of the database, and while a dashboard `is_viewed`
        what campaigns have spent.
        """
        on_duty = self._on_duty = next((one.process for one in self._workers if one.state == "serving"), None)
        for process in (one for worker in self._workers for one in worker.processes):
            if process.serves is not None and process not in self._asked:
                words = (ON_DUTY, *([VIEWED] if is_viewed else [])) if process is on_duty else ()
                self._asked[process] = asyncio.create_task(self._ask(process, *words))
        if self._asked:
            await asyncio.wait(self._asked.values(), timeout=ANSWERS_S)

    async def close(self) -> None:
        """Ask no more."""
        for task in list(self._asked.values()):
            task.cancel()

    async def _ask(self, process: WorkerProcess, *words: str) -> None:
        """No answer leaves the last one: the worker may have ended."""
        try:
            answer = await ask(process.status, " ".join(("sample", *words)), timeout_s=2 * HUNG_S)
            if not process.has_counted:
                process.last = _with_figures_of(process.last, msgspec.convert(answer["sample"], Sample))
            if "campaigns" in answer:
                self.campaigns = msgspec.convert(answer["campaigns"], list[CampaignReportLine])
        except (OSError, TimeoutError, ValueError, KeyError, msgspec.ValidationError) as error:
            logs.debug("worker_did_not_answer", worker=process.number, why=str(error))
        finally:
            del self._asked[process]

    # --- judging ----------------------------------------------------------------------------------------------

    def rows(self) -> list[WorkerRow]:
        """The workers, each for itself."""
        return [worker.row() for worker in self._workers]

    def judge(self) -> Health:
        """Ready while one worker is; what keeps the others from it is degraded."""
        found, ready, backlog = Health([], []), 0, self._backlog()
        for worker in self._workers:
            row, last = worker.row(), None if worker.process is None else worker.process.last
            if row.state != "serving" or last is None:
                state = "starting" if row.state == "serving" else row.state
                found.reasons.append(f"worker {row.worker} is {state}" + (f": {row.why}" if row.why else ""))
                continue
            one = health(replace(last, figures=backlog), self._backlog_s_max)
            ready += one.ready
            found.reasons.extend(one.reasons)
            found.degraded.extend(one.degraded)
        own = [f"the loop {name} of the supervisor fails: {why}" for name, why in self._failing_loops().items()]
        if self.state != "serving":
            return Health([f"the server is {self.state}"], _unique(found.degraded + own))
        if ready:
            return Health([], _unique(found.reasons + found.degraded + own))
        return Health(_unique(found.reasons + own), _unique(found.degraded))

    def _backlog(self) -> Figures | None:
        """What the worker on duty has read. The queue is that of the database, so it concerns each worker."""
        last = None if self._on_duty is None else self._on_duty.last
        return self._kept.backlog if last is None or last.figures is None else last.figures


def _unique(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _with_figures_of(before: Sample | None, now: Sample) -> Sample:
    """Figures that have not changed stay the same object: that is how a new count is told from an old one."""
    return now if before is None or before.figures != now.figures else replace(now, figures=before.figures)
