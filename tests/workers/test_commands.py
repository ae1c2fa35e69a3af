"""Which worker answers a command, in whose name it is asked, and how answers become one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.money_unit import YUAN
from server.clock import Clock
from server.ops.samples.sample import (
    CampaignReportLine,
    Figures,
    OpenPayments,
    Sample,
    StoreState,
    WorkerRow,
    WorkerState,
)
from server.ops.samples.sampler import Sampler
from server.ops.socket.command_table import command_table
from server.ops.socket.command_texts import ON_DUTY, SAMPLE, TEXTS, VIEWED
from server.ops.socket.status_socket import PEER, Answer, Command, Peer, StatusSocket, ask
from server.workers import answers
from server.workers.commands import SupervisorCommands, ask_worker
from server.workers.merge import Ended
from server.workers.messages import WorkerServes
from server.workers.samples import WorkerSamples
from tests.ops.samples import sample

OTHER_UID = 65_534


class FixedProcess:
    """The process of such a worker."""

    def __init__(self, number: int, last: Sample | None, status: Path) -> None:
        self.number, self.last, self.status = number, last, status
        self.serves = WorkerServes("tcp://127.0.0.1:1", "", "")
        self.has_counted = False


class FixedWorker:
    """A worker of which a test says what it does. Its process answers commands at a status socket."""

    def __init__(
        self, number: int, last: Sample | None, state: WorkerState = "serving", path: Path = Path()
    ) -> None:
        self.number, self.state, self.lost_counts = number, state, 0
        self.process = FixedProcess(number, last, path)
        self.processes = [self.process]

    def row(self) -> WorkerRow:
        return WorkerRow(
            worker=self.number,
            state=self.state,
            pid=5,
            up_s=1.0,
            connections=0,
            loop_lag_ms=0.0,
            rss_bytes=0,
            links=0,
            ends=0,
            why="why",
        )

    def answered(self) -> None:
        """Nothing follows."""

    def did_not_answer(self, for_s: float) -> None:
        """Nothing follows."""


def samples_of(*workers: FixedWorker, failing: dict[str, str] | None = None) -> WorkerSamples:
    """Those of a supervisor that serves."""
    made = WorkerSamples(
        workers,  # type: ignore[arg-type]
        Ended(),
        durability="postgres",
        backlog_s_max=60.0,
        failing_loops=lambda: failing or {},
        clock=Clock(),
    )
    made.state = "serving"
    return made


AWAY = sample(stores={"postgres": StoreState(False, 1, "connection refused"), "redis": StoreState(True, 1)})


@pytest.mark.parametrize(
    ("workers", "reasons", "degraded"),
    [
        ((FixedWorker(0, sample()), FixedWorker(1, sample())), [], []),
        ((FixedWorker(0, sample()), FixedWorker(1, None, "given up")), [], ["worker 1 is given up: why"]),
        ((FixedWorker(0, sample()), FixedWorker(1, None)), [], ["worker 1 is starting: why"]),
        ((FixedWorker(0, sample()), FixedWorker(1, AWAY)), [], ["postgres is away: connection refused"]),
        ((FixedWorker(0, AWAY), FixedWorker(1, AWAY)), ["postgres is away: connection refused"], []),
        (
            (FixedWorker(0, sample(), "silent"), FixedWorker(1, None, "waiting")),
            ["worker 0 is silent: why", "worker 1 is waiting: why"],
            [],
        ),
        (
            (
                FixedWorker(0, sample(clock_faults=("the clock",))),
                FixedWorker(1, sample(clock_faults=("the clock",))),
            ),
            [],
            ["the clock"],
        ),
    ],
)
def test_server_is_ready_while_one_worker_is(
    workers: tuple[FixedWorker, ...], reasons: list[str], degraded: list[str]
) -> None:
    assert samples_of(*workers).judge() == (reasons, degraded)


def test_server_that_drains_is_not_ready() -> None:
    samples = samples_of(FixedWorker(0, sample()))
    samples.state = "draining"
    assert samples.judge().reasons == ["the server is draining"]
    assert samples.sample(0.0).state == "draining"


def test_loop_of_the_supervisor_that_fails_is_told() -> None:
    samples = samples_of(FixedWorker(0, sample()), failing={"samples": "why"})
    assert samples.judge() == ([], ["the loop samples of the supervisor fails: why"])
    assert samples.sample(0.0).failing_loops == {"samples": "why"}


def test_sample_before_the_first_answer_is_empty() -> None:
    samples = samples_of(FixedWorker(0, None))
    samples.state = "starting"
    found = samples.sample(1.5)
    assert (found.state, found.connections, found.loop_lag_ms, found.stores) == ("starting", 0, 1.5, {})


# --- real status sockets ------------------------------------------------------------------------------------------

Ask = Callable[..., Awaitable[dict[str, Any]]]


async def answer_as(number: int, name: str, words: list[str]) -> Answer:
    """What a worker says: who asked, and which it is."""
    if name == "disconnect":
        return {"closed": number} if number else {"error": "user 7 has no connection"}
    return {"worker": number, "command": " ".join((name, *words)), "uid": PEER.get().uid, "pid": PEER.get().pid}


@pytest.fixture
async def ask_supervisor(tmp_path: Path) -> AsyncIterator[Ask]:
    """A supervisor of three workers, of which the first is silent; `await ask_supervisor("packet", 5)`."""
    async with AsyncExitStack() as stack:
        workers = []
        for number in range(3):
            path = tmp_path / f"{number}.sock"
            table = {
                name: Command(*text, lambda words, number=number, name=name: answer_as(number, name, words))
                for name, text in TEXTS.items()
            }
            worker = StatusSocket(table, (OTHER_UID,), supervisor_pid=os.getpid())
            await worker.open(path)
            stack.push_async_callback(worker.close)
            workers.append(FixedWorker(number, sample(accepted=10), "serving" if number else "silent", path))
        samples = samples_of(*workers)
        commands = SupervisorCommands(
            workers,  # type: ignore[arg-type]
            samples,
            Sampler(samples, Clock.elapsed_s),
            YUAN,
            drain=lambda: None,
            reload=reload,
            restart=lambda: {"restarting": 3},
            restart_state=dict,
        )
        front = StatusSocket(command_table(commands.runs()), (OTHER_UID,), lambda _: Peer(OTHER_UID, 4711))
        await front.open(tmp_path / "s")
        stack.push_async_callback(front.close)

        async def one(*words: object) -> dict[str, Any]:
            return await ask(tmp_path / "s", " ".join(map(str, words)))

        yield one


class AskedWorkers:
    """Three workers that note with which words they were asked for a sample. `last`: their samples by number."""

    def __init__(self, folder: Path) -> None:
        self.asked: dict[int, list[str]] = {}
        self.last = {number: sample(accepted=10) for number in range(3)}
        self.workers = [FixedWorker(number, None, "serving", folder / f"{number}.sock") for number in range(3)]

    async def open(self) -> list[StatusSocket]:
        """Listen, each at a socket of its own."""
        sockets = []
        for worker in self.workers:
            run = partial(self._answer, worker.number)
            sockets.append(StatusSocket({"sample": Command(*SAMPLE, run)}, supervisor_pid=os.getpid()))
            await sockets[-1].open(worker.process.status)
        return sockets

    async def _answer(self, number: int, words: list[str]) -> Answer:
        self.asked[number] = words
        answer = {"sample": self.last[number]}
        return answer if VIEWED not in words else {**answer, "campaigns": [campaign_of(number)]}


def campaign_of(number: int) -> CampaignReportLine:
    """A campaign that names the worker which has told of it."""
    return CampaignReportLine(
        campaign="73",
        name=f"told by {number}",
        sponsor="某超市",
        state="open",
        budget_fen=5,
        won_fen=0,
        left_fen=5,
        won_shares=0,
        left_shares=1,
        winners=0,
        cost_per_winner_fen=None,
        shakes=0,
        hours=[],
    )


@pytest.fixture
async def asked_workers(tmp_path: Path) -> AsyncIterator[AskedWorkers]:
    """They listen."""
    found = AskedWorkers(tmp_path)
    sockets = await found.open()
    yield found
    for one in sockets:
        await one.close()


async def test_one_worker_reads_figures_and_the_next_takes_over(asked_workers: AskedWorkers) -> None:
    samples = samples_of(*asked_workers.workers)
    asked_workers.last[0] = sample(figures=Figures(7, 700, None, 70))
    await samples.collect()
    assert asked_workers.asked == {0: [ON_DUTY], 1: [], 2: []}
    assert samples.sample(0.0).figures == Figures(7, 700, None, 70)
    asked_workers.workers[0].state = "silent"
    await samples.collect()
    assert (asked_workers.asked[1], asked_workers.asked[2]) == ([ON_DUTY], [])
    assert samples.sample(0.0).figures == Figures(7, 700, None, 70)  # until the next one has read them
    asked_workers.last[1] = sample(figures=Figures(8, 800, None, 80))
    await samples.collect()
    assert samples.sample(0.0).figures == Figures(8, 800, None, 80)  # not those of the silent worker


async def test_old_backlog_makes_every_worker_not_ready(asked_workers: AskedWorkers) -> None:
    samples, at_ms = samples_of(*asked_workers.workers), sample().at_ms
    asked_workers.last[0] = sample(figures=Figures(7, 700, at_ms - 61_000, 70))
    await samples.collect()
    assert samples.judge().reasons == ["a claim has waited 61 s to be credited, the limit is 60 s"]
    samples.sample(0.0)
    asked_workers.workers[0].state = "silent"
    await samples.collect()
    assert "a claim has waited 61 s to be credited, the limit is 60 s" in samples.judge().reasons


async def test_payments_are_those_of_the_worker_on_duty(asked_workers: AskedWorkers) -> None:
    samples = samples_of(*asked_workers.workers)
    asked_workers.last[0] = sample(payments=OpenPayments({"unknown": 3}, {"unknown": 9.0}, 1, ("bank",)))
    asked_workers.last[1] = sample(payments=OpenPayments({"unknown": 0}, {"unknown": 0.0}, 0, ("host",), False))
    await samples.collect()
    before = OpenPayments({"unknown": 3}, {"unknown": 9.0}, 1, ("bank", "host"))
    assert samples.sample(0.0).payments == before
    asked_workers.workers[0].state = "silent"  # it may not have read the newest payments
    await samples.collect()
    assert samples.sample(0.0).payments == before
    asked_workers.last[1] = sample(payments=OpenPayments({"unknown": 2}, {"unknown": 1.0}))
    await samples.collect()
    assert samples.sample(0.0).payments == OpenPayments({"unknown": 2}, {"unknown": 1.0}, 0, ("bank",))


async def test_open_dashboard_gets_campaigns_from_one_worker(asked_workers: AskedWorkers) -> None:
    samples = samples_of(*asked_workers.workers)
    await samples.collect()
    assert samples.campaigns == ()
    await samples.collect(is_viewed=True)
    assert asked_workers.asked == {0: [ON_DUTY, VIEWED], 1: [], 2: []}
    assert samples.campaigns == [campaign_of(0)]


async def reload() -> Answer:
    return {"changed": [], "needs_restart": []}


def test_every_command_has_a_function(tmp_path: Path) -> None:
    samples = samples_of()
    nothing: Any = None
    commands = SupervisorCommands(
        [],
        samples,
        Sampler(samples, Clock.elapsed_s),
        YUAN,
        drain=nothing,
        reload=nothing,
        restart=nothing,
        restart_state=nothing,
    )
    assert set(commands.runs()) == set(TEXTS)
    assert set(answers.MERGES) <= set(TEXTS)


async def test_change_of_records_is_made_by_one_worker_in_the_name_of_the_operator(ask_supervisor: Ask) -> None:
    """A correction is approved by another user of the system than has proposed it."""
    assert await ask_supervisor("approve-correction", 5) == {
        "worker": 1,  # the first that serves
        "command": "approve-correction 5",
        "uid": OTHER_UID,
        "pid": 4711,
    }


async def test_command_about_connections_reaches_every_worker_that_serves(ask_supervisor: Ask) -> None:
    assert await ask_supervisor("disconnect", 7) == {"closed": 3}


async def test_status_is_that_of_all(ask_supervisor: Ask) -> None:
    status = await ask_supervisor("status")
    assert status["accepted"] == 30
    assert status["degraded"] == ["worker 0 is silent: why"]


def test_connections_of_all_workers_are_sorted_together() -> None:
    def row(number: int, pending: int, idle_s: float) -> dict[str, Any]:
        return {"connection": number, "pending_bytes": pending, "idle_s": idle_s, "requests": 0}

    of = {
        0: {"connections": [row(1, 5, 1.0), row(2, 1, 9.0)], "total": 40},
        2: {"connections": [row(1, 3, 5.0)], "total": 2},
    }
    first = answers.connections(["--most", "2"], of)
    assert [(one["worker"], one["connection"]) for one in first["connections"]] == [(0, 1), (2, 1)]
    assert first["total"] == 42
    by_idle = answers.connections(["--sort", "idle"], of)
    assert [one["idle_s"] for one in by_idle["connections"]] == [9.0, 5.0, 1.0]


def test_answers_about_one_thing_become_one() -> None:
    assert answers.packet(
        [], {0: {"packet": "5", "memory": None}, 1: {"packet": "5", "memory": {"claims": 3}}}
    ) == {
        "packet": "5",
        "memory": {"claims": 3},
    }
    assert answers.packet([], {0: {"packet": "5", "memory": None}}) == {"packet": "5", "memory": None}
    assert answers.user(
        [], {1: {"user_id": 7, "connections": [{"connection": 2}]}, 0: {"user_id": 7, "connections": []}}
    ) == {
        "user_id": 7,
        "connections": [{"worker": 1, "connection": 2}],
    }
    assert answers.group([], {0: {"group": "1", "online": 2}, 1: {"group": "1", "online": 3}})["online"] == 5
    queue = {"waiting": {"claims": 9}, "in_flight": 1}
    one = {**queue, "settled": 5, "outbox": {"posted": 2, "waiting_rows": 4}}
    assert answers.settlement([], {0: one, 1: one}) == {
        "waiting": {"claims": 9},
        "in_flight": 2,
        "settled": 10,
        "outbox": {"posted": 4, "waiting_rows": 4},
    }
    assert answers.refunds(
        [],
        {
            0: {"refunded_packets": 1, "refunded_fen": 5, "due_packets": 3},
            1: {"refunded_packets": 1, "refunded_fen": 6, "due_packets": 3},
        },
    ) == {
        "refunded_packets": 2,
        "refunded_fen": 11,
        "due_packets": 3,
    }


async def test_worker_that_ends_before_its_answer_is_named(tmp_path: Path) -> None:

    PEER.set(Peer(0, 1))
    process: Any = SimpleNamespace(number=2, status=tmp_path / "none.sock")
    answer = await ask_worker(process, "packet", ["5"])
    assert answer["error"].startswith("worker 2 ended before its answer (")
