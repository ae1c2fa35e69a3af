"""Chaos of a server with workers: what the nemesis hits, what the operator does, and a short real run."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from bench.chaos import report
from bench.chaos import run as run_module
from bench.chaos.auditor import Findings
from bench.chaos.faults import FAULTS
from bench.chaos.history import History, SendOp
from bench.chaos.nemesis import Nemesis
from bench.chaos.run import ChaosSpec, run
from bench.chaos.workers import faults as faults_module
from bench.chaos.workers import operator as operator_module
from bench.chaos.workers.faults import OF_ONE_PROCESS, WITH_WORKERS
from bench.chaos.workers.operator import ChaosOperator
from bench.chaos.workers.processes import WorkersUnderChaos, owner_of, server_ids, worker_pids
from server.core.placement.buckets import bucket_of, owners_of
from tests.conftest import PATIENCE_S
from tests.workers.conftest import StartWorkers, data, workers

__all__ = ["data", "workers"]
NO_CLUSTER: Any = SimpleNamespace()


def test_faults_of_workers_are_all_drawn_and_replace_those_of_one_process() -> None:
    deck = Nemesis(NO_CLUSTER, History(), 3, 60.0, "postgres", WITH_WORKERS).deck(80)
    assert {one.name for one in deck} == {one.name for one in WITH_WORKERS}
    assert {one.name for one in FAULTS} - {one.name for one in WITH_WORKERS} == set(OF_ONE_PROCESS)
    killed = Counter(one.killed for one in deck if one.killed)
    targets = {"worker", "owner of hot packets", "all workers", "supervisor", "valkey", "backend", "postmaster"}
    assert killed.keys() == targets
    assert killed.total() == 80


def test_hot_packets_are_those_that_were_sent_last() -> None:
    history = History()
    for number in range(1, 30):
        history.sends.append(SendOp(1, f"key {number}", 100, "sent", number))
    history.sends.append(SendOp(1, "refused", 100, "not_a_member"))
    assert history.hot_packets() == list(range(11, 30))


def test_owner_is_the_process_that_owns_most_of_the_packets() -> None:
    servers = {11: 901, 12: 902, 13: 903}
    owners = owners_of(list(servers))
    owned = [number for number in range(10_000) if owners[bucket_of(number)] == 12]
    other = [number for number in range(10_000) if owners[bucket_of(number)] == 13]
    assert owner_of(servers, [*owned[:5], *other[:4]]) == [902]
    assert owner_of(servers, []) == owner_of({}, owned) == []


async def test_workers_are_found_and_hit_in_turn(workers: StartWorkers) -> None:
    server = workers(3)
    pids = await asyncio.to_thread(server.pids)
    assert worker_pids(server.pid) == pids
    assert sorted(server_ids(pids).values()) == sorted(pids)
    found = WorkersUnderChaos(lambda: server.pid, lambda: [5])
    assert await found.all() == pids
    assert sorted([(await found.next())[0] for _ in pids]) == sorted(pids)
    assert len(await found.owner()) == 1
    cluster: Any = SimpleNamespace(workers=found)
    assert await faults_module._kill_workers("owner of hot packets", cluster, 0.0)
    assert await faults_module._freeze_workers("worker", cluster, 0.01)
    gone = WorkersUnderChaos(lambda: None, lambda: [5])
    assert (await gone.all(), await gone.next(), await gone.owner()) == ([], [], [])
    assert not await faults_module._kill_workers("all workers", SimpleNamespace(workers=gone), 0.0)  # type: ignore[arg-type]


async def test_operator_restarts_workers_that_were_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answers: list[dict[str, Any]] = [
        {"workers": [{"state": "serving"}, {"state": "given up"}]},
        {"error": "a restart is running already"},
        {"workers": [{"state": "serving"}, {"state": "given up"}]},
        {"restarting": 2},
        {"workers": [{"state": "serving"}, {"state": "serving"}]},
    ]
    done = asyncio.Event()

    async def ask(_: Path, command: str) -> dict[str, Any]:
        asked.append(command)
        if len(asked) > len(answers):
            done.set()
            raise ConnectionRefusedError
        return answers[len(asked) - 1]

    monkeypatch.setattr(operator_module, "ask", ask)
    monkeypatch.setattr(operator_module, "running", lambda _: SimpleNamespace(status=tmp_path))
    monkeypatch.setattr(operator_module, "LOOK_S", 0.0)
    operator = ChaosOperator(tmp_path)
    assert operator.words() == "no answer"
    looking = asyncio.create_task(operator.run())
    async with asyncio.timeout(PATIENCE_S):
        await done.wait()
    assert asked[:5] == ["status", "restart", "status", "restart", "status"]
    assert operator.restarts == 1
    looking.cancel()
    operator.states = ["serving", "given up"]
    assert operator.words() == "1 of 2 workers"


def test_report_names_strikes_by_kind_and_the_workers(tmp_path: Path) -> None:
    history, nemesis = History(), Nemesis(NO_CLUSTER, History(), 1, 60.0, "postgres", WITH_WORKERS)
    nemesis.hits.update({"SIGKILL a worker": 2, "freeze the supervisor": 1})
    nemesis.missed["SIGKILL a worker"] = 1
    nemesis.recovered_s["SIGKILL a worker"] += [0.1, 0.9]
    identity = dict(zip(report.IDENTITY, ("postgres", 1, 60.0), strict=True))
    about = {**identity, "workers": 3, "kills_asked": 2, "sends_left_out": 0}
    figures = report.figures(history, nemesis, Findings([], [], []), [], {**about, "alarms": []})
    console = Console(record=True, width=200)
    report.show(console, figures)
    lines = console.export_text().splitlines()
    assert "  SIGKILL a worker                      2       1        0.10 s  0.90 s" in lines
    assert "  freeze the supervisor                 1       0             –       –" in lines
    assert lines[-1] == "chaos: holds (durability postgres, seed 1, 60 s, 3 workers)"


def test_worker_that_the_nemesis_killed_or_that_found_no_store_is_no_alarm(tmp_path: Path) -> None:
    log = tmp_path / "log"
    about = '"level": "error", "event": "worker_ended", "worker": 1'
    whys = "signal 9", "PostgreSQL: no answer in time (/tmp/proxies)", "exit code 1"
    killed, too_early, failed = (f'{{{about}, "why": "{why}"}}' for why in whys)
    log.write_text(f"{killed}\n{too_early}\n{failed}\n")
    assert report.alarms(log) == [failed]


@pytest.mark.long
async def test_run_with_workers_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "CONFIG", run_module.CONFIG.replace("lifetime_s = 8.0", "lifetime_s = 3.0"))
    lines: list[str] = []
    figures = await run(ChaosSpec(10.0, 6, 5, "postgres", 200.0, 50, workers=3), lines.append)
    assert figures["named"] == []
    assert figures["alarms"] == []
    assert figures["workers"] == 3
    assert figures["kills"]["all"] >= 3
    assert figures["acked_claims"] > 100
    assert figures["unknown"] == 0
    assert any("3 of 3 workers" in line for line in lines)
