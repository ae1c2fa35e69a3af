"""Whole servers with several workers: connections spread, workers that are killed, hang, and are given up."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import aiohttp
import psutil
import pytest

from bench.load.target import raise_file_limit
from client_sim.sdk.client import Client
from server.instance import running
from server.ops.samples.sample import WorkerRow
from server.ops.socket.status_socket import ask
from server.process import LOG
from server.worker_place import status_socket_of
from server.workers.process import MODULE
from server.workers.supervisor import FOLDER
from server.workers.worker import QUICK_ENDS_MAX
from tests.conftest import PATIENCE_S
from tests.server.conftest import left_behind
from tests.server.log import wait_for
from tests.server.serving import here
from tests.workers.conftest import StartWorkers
from tests.workers.running import Workers, is_open

CONNECTIONS, MANY = 120, 4_500


def metrics_of(server: Workers) -> dict[str, float]:
    """The metrics of the server, by name with labels."""
    (line,) = [one for one in (server.data / LOG).read_text().splitlines() if "hongbao serves" in one]
    address = line.partition("dashboard ")[2].partition(";")[0].partition(",")[0]
    with urlopen(f"{address}metrics", timeout=PATIENCE_S) as answer:
        lines = [one for one in answer.read().decode().splitlines() if not one.startswith("#")]
    with urlopen(f"{address}readyz", timeout=PATIENCE_S) as answer:
        assert json.loads(answer.read())["ready"] is True
    return {name: float(value) for name, _, value in (one.rpartition(" ") for one in lines)}


def test_connections_spread_over_the_workers_and_operators_see_the_sum(workers: StartWorkers) -> None:
    server = workers(3)
    with server.connections(CONNECTIONS):
        status = server.status()
        assert [*status["workers"][0]] == [*WorkerRow.__struct_fields__]
        rows = [row["connections"] for row in status["workers"]]
        assert sum(rows) == status["connections"] == status["accepted"] == CONNECTIONS
        assert min(rows) > 0
        assert (status["state"], status["ready"], status["reasons"], status["degraded"]) == (
            "serving",
            True,
            [],
            [],
        )
        listed = server.ask("connections", "--most", 1_000)
        assert listed["total"] == CONNECTIONS
        assert Counter(one["worker"] for one in listed["connections"]) == dict(enumerate(rows))
        assert len({(one["worker"], one["connection"]) for one in listed["connections"]}) == CONNECTIONS
        assert len(server.ask("connections", "--most", 5)["connections"]) == 5
        wait_for(lambda: "hongbao serves" in (server.data / LOG).read_text())
        wait_for(lambda: metrics_of(server)["hongbao_connections"] == CONNECTIONS)
        found = metrics_of(server)
    for number, connections in enumerate(rows):
        label = f'{{worker="{number}"}}'
        assert found["hongbao_worker_connections" + label] == connections
        assert found["hongbao_worker_up" + label] == 1
        assert found["hongbao_worker_ends_total" + label] == 0
    assert found["hongbao_resident_memory_bytes"] > 60_000_000
    assert "(3 workers, data " in (server.data / LOG).read_text()


@pytest.mark.long
def test_worker_that_is_killed_while_the_server_starts_is_started_again(workers: StartWorkers, data: Path) -> None:
    """The server serves with the others meanwhile."""
    killed = list[int]()
    killing = threading.Thread(target=kill_when_it_starts, args=(data, 1, killed))
    killing.start()
    server = workers(3)
    killing.join()
    server.wait_for_state(1, "serving")
    rows = server.rows()
    assert [row["ends"] for row in rows] == [0, 1, 0]
    assert rows[1]["pid"] not in killed


def kill_when_it_starts(data: Path, number: int, killed: list[int]) -> None:
    """Kill the first process of the worker with this number, long before it serves."""
    words = f"{MODULE} {number} of "

    def is_killed() -> bool:
        for one in psutil.process_iter(["cmdline"]):
            line = " ".join(one.info["cmdline"] or ())
            if words in line and str(data) in line:
                one.kill()
                killed.append(one.pid)
        return bool(killed)

    wait_for(is_killed)


@pytest.mark.long
def test_thousands_of_connections_are_spread_evenly(workers: StartWorkers) -> None:
    """Within 10 % of the mean: the kernel hashes each connection to a socket, so there is a part of chance."""
    raise_file_limit()
    server = workers(3, HONGBAO_LIMITS__CONNECTIONS_OF_ADDRESS_MAX="1000000")
    with server.connections(MANY) as connected:
        assert len(connected) == MANY
        rows = [row["connections"] for row in server.rows()]
    assert sum(rows) == MANY
    assert max(rows) <= 1.1 * MANY / 3, rows
    assert min(rows) >= 0.9 * MANY / 3, rows


async def test_users_of_all_workers_play_on_one_set_of_books(workers: StartWorkers) -> None:
    server = workers(3)
    async with Client(server.url, server.token(0)) as backend:
        for user_id in range(1, 7):
            await backend.top_up(user_id, 1_000, f"top-up {user_id}")
    assert (await asyncio.to_thread(server.status))["money_fen"]["topped_up"] == 6_000
    for user_id in range(1, 7):
        async with Client(server.url, server.token(user_id)) as client:
            assert await client.balance() == 1_000
            listed = await asyncio.to_thread(server.ask, "user", user_id)
            assert (listed["balance_fen"], len(listed["connections"])) == (1_000, 1)
            assert await asyncio.to_thread(server.ask, "disconnect", user_id) == {"closed": 1}


@pytest.mark.long
async def test_one_worker_reads_figures_and_they_outlive_it(workers: StartWorkers) -> None:
    server = workers(3)

    async def seen() -> tuple[list[int], int | None]:
        """The workers that have read figures of the database, and the money in packets as the server shows it."""
        status, found = await asyncio.to_thread(server.status), list[int]()
        for row in status["workers"]:
            if row["state"] == "serving":
                path = status_socket_of(server.data / FOLDER, row["worker"], row["pid"])
                answer: Any = await ask(path, "sample", PATIENCE_S)
                found += [row["worker"]] if answer["sample"]["figures"] is not None else []
        return found, status["money_fen"]["in_packets"]

    async with asyncio.timeout(PATIENCE_S):
        while await seen() != ([0], 0):  # noqa: ASYNC110  nothing sets an event for it
            await asyncio.sleep(0.1)
    await asyncio.to_thread(server.kill, 0)
    async with asyncio.timeout(PATIENCE_S):
        while (now := await seen())[0] != [0]:  # it is the first again, once it is back
            assert now[1] == 0
            await asyncio.sleep(0.1)


@pytest.mark.long
async def test_dashboard_shows_open_campaigns(workers: StartWorkers) -> None:
    server = workers(2, HONGBAO_OPS__HTTP="127.0.0.1:0")
    async with Client(server.url, server.token(0)) as backend:
        await backend.put_sponsor(7, "某超市")
        await backend.top_up(7, 1_000, "sponsor")
        now_ms = int(time.time() * 1_000)
        bands = [(200, 200, 1_000_000)]
        await backend.create_campaign(7, "spring", now_ms, now_ms + 3_600_000, 5, 1_000, bands, key="campaign")
    wait_for(lambda: "dashboard http" in (server.data / LOG).read_text())  # written after the first can log in
    (url,) = re.findall(r"dashboard (http://[^;, ]+)", (server.data / LOG).read_text())
    async with aiohttp.ClientSession() as session, session.get(f"{url}events") as events:
        async with asyncio.timeout(PATIENCE_S):
            async for line in events.content:
                if line.startswith(b"data: ") and (shown := json.loads(line[6:])["campaigns"]):
                    break
    assert [(one["name"], one["sponsor"], one["budget_fen"], one["won_fen"]) for one in shown] == [
        ("spring", "某超市", 1_000, 0)
    ]


@pytest.mark.long
def test_killed_worker_comes_back_and_the_others_go_on(workers: StartWorkers) -> None:
    server = workers(3)
    with server.connections(CONNECTIONS) as connected:
        before = server.rows()
        server.kill(1)
        with server.connections(CONNECTIONS):  # those of the killed worker wait at its socket
            rows = server.rows()
        assert sum(map(is_open, connected)) == CONNECTIONS - before[1]["connections"]
    assert [row["state"] for row in rows] == ["serving"] * 3
    assert [row["ends"] for row in rows] == [0, 1, 0]
    assert [row["pid"] == one["pid"] for row, one in zip(rows, before, strict=True)] == [True, False, True]
    assert server.status()["accepted"] >= CONNECTIONS  # what ended workers have counted is not forgotten


@pytest.mark.long
def test_silent_worker_is_degraded_and_goes_on_when_it_wakes(workers: StartWorkers) -> None:
    server = workers(2)
    pid = server.pids()[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        server.wait_for_state(0, "silent")
        status = server.status()
        assert (status["ready"], status["reasons"]) == (True, [])
        assert status["degraded"][0].startswith("worker 0 is silent: no answer for ")
        assert here("status", "--healthy", "--data", server.data).code == 0
        server.ask("connections")
    finally:
        os.kill(pid, signal.SIGCONT)
    server.wait_for_state(0, "serving")
    assert server.pids()[0] == pid


@pytest.mark.long
def test_worker_that_hangs_is_killed_and_started_again(workers: StartWorkers) -> None:
    server = workers(2)
    pid = server.pids()[1]
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: not psutil.pid_exists(pid))
    server.wait_for_state(1, "serving")
    assert server.rows()[1]["ends"] == 1


@pytest.mark.long
def test_worker_that_ends_quickly_five_times_is_given_up_until_a_restart(workers: StartWorkers) -> None:
    server = workers(2)
    for _ in range(QUICK_ENDS_MAX):
        server.wait_for_state(1, "serving")
        server.kill(1)
    server.wait_for_state(1, "given up")
    status = server.status()
    assert (status["ready"], status["reasons"]) == (True, [])
    assert status["degraded"][0].startswith("worker 1 is given up: it ended 5 times within 30 s of its start")
    with server.connections(CONNECTIONS):  # its socket is closed: none waits for it
        assert [row["connections"] for row in server.rows()] == [CONNECTIONS, 0]
    restarted = server.ask("restart")
    assert restarted == {"restarted": 2, "changed": [], "needs_restart": []}
    assert [row["state"] for row in server.rows()] == ["serving"] * 2
    with server.connections(CONNECTIONS):
        assert min(row["connections"] for row in server.rows()) > 0


@pytest.mark.long
def test_server_without_a_worker_that_serves_is_not_ready(workers: StartWorkers) -> None:
    server = workers(2)
    pids = server.pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        server.wait_for_state(0, "silent")
        server.wait_for_state(1, "silent")
        status = server.status()
        assert not status["ready"]
        assert [reason.partition(":")[0] for reason in status["reasons"]] == [
            "worker 0 is silent",
            "worker 1 is silent",
        ]
        assert here("packet", 5, "--data", server.data).stderr == "hongbao: no worker serves now\n"
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    wait_for(lambda: bool(server.status()["ready"]))


@pytest.mark.long
def test_drain_ends_all_workers_with_a_goodbye(workers: StartWorkers) -> None:
    server = workers(2)
    with server.connections(20) as connected:
        assert server.ask("drain") == {"draining": True}
        for one in connected:
            while one.recv(65_536):
                pass  # the goodbye, then the end: no reset
    wait_for(lambda: running(server.data) is None)
    wait_for(lambda: not left_behind(server.data))
    assert not (server.data / FOLDER).exists()


@pytest.mark.long
def test_second_sigterm_ends_workers_that_drain(workers: StartWorkers) -> None:
    server = workers(2)
    pid, pids = server.pid, server.pids()
    os.kill(pids[0], signal.SIGSTOP)  # so that the drain does not end
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not psutil.pid_exists(pids[1]))
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not left_behind(server.data))


@pytest.mark.long
def test_killed_supervisor_leaves_no_process(workers: StartWorkers) -> None:
    server = workers(2)
    assert len(left_behind(server.data)) > 2
    os.kill(server.pid, signal.SIGKILL)
    wait_for(lambda: not left_behind(server.data))


@pytest.mark.long
def test_reload_reaches_every_worker_and_one_that_is_started_later(workers: StartWorkers, tmp_path: Path) -> None:
    file = tmp_path / "hongbao.toml"
    file.write_text("[limits]\nconnections_max = 100\n")
    server = workers(2, "--config", str(file))
    assert server.status()["connections_max"] == 200
    file.write_text('[limits]\nconnections_max = 50\n[stores]\ndurability = "redis"\n')
    assert server.ask("reload") == {"changed": ["limits.connections_max"], "needs_restart": ["stores.durability"]}
    assert server.status()["connections_max"] == 100
    server.kill(0)
    server.wait_for_state(0, "serving")
    status = server.status()
    assert (status["connections_max"], status["durability"]) == (100, "postgres")
    file.write_text('[limits]\nconnections_max = "many"\n')
    assert "limits.connections_max is 'many'" in here("reload", "--data", server.data).stderr
    os.kill(server.pid, signal.SIGHUP)
    wait_for(lambda: "config_reload_failed" in (server.data / LOG).read_text())
    assert server.status()["connections_max"] == 100


@pytest.mark.long
def test_restart_takes_over_what_the_supervisor_does_not_hold(workers: StartWorkers, tmp_path: Path) -> None:
    file = tmp_path / "hongbao.toml"
    file.write_text("")
    server = workers(2, "--config", str(file))
    file.write_text("[refunds]\nbatch_max = 3\n[ops]\nready_backlog_s = 5\n[limits]\nconnections_max = 7\n")
    assert server.ask("restart") == {
        "restarted": 2,
        "changed": ["limits.connections_max", "refunds.batch_max"],
        "needs_restart": ["ops.ready_backlog_s"],
    }
    assert server.status()["connections_max"] == 14
    file.write_text("[refunds]\nbatch_max = 0\n")
    assert "refunds.batch_max" in here("restart", "--data", server.data).stderr


@pytest.mark.long
def test_successor_that_does_not_start_leaves_the_worker_before_it(workers: StartWorkers) -> None:
    """Its store is away: it takes no new connections."""
    server = workers(2)
    pids = server.pids()
    store = int((server.data / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(store, signal.SIGSTOP)
    try:
        failed = here("restart", "--data", server.data)
    finally:
        os.kill(store, signal.SIGCONT)
    assert failed.code == 1
    assert failed.stderr.startswith("hongbao: worker 0 has no successor: PostgreSQL: ")
    assert server.pids() == pids
    assert server.status()["restart"]["replaced"] == 0
    assert server.ask("restart")["restarted"] == 2


def test_start_that_fails_ends_with_one_line(tmp_path: Path) -> None:
    """The line of the worker, and the advice that one process gives."""
    away = "--postgres", "postgresql://127.0.0.1:1/none", "--redis", "redis://127.0.0.1:1"
    done = here("serve", "--data", tmp_path, "--port", 0, "--workers", 2, *away)
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("hongbao: PostgreSQL: ")
    assert done.stderr.endswith("; does it run, and is its address right (--postgres, --redis, --config)?\n")
    assert not (tmp_path / FOLDER).exists()


def test_one_worker_is_one_process_without_a_supervisor(workers: StartWorkers) -> None:
    server = workers(1)
    status = server.status()
    assert "workers" not in status
    assert not (server.data / FOLDER).exists()
    own = psutil.Process(server.pid).children()
    assert ["keeper" in " ".join(one.cmdline()) for one in own] == [True]
    assert here("restart", "--data", server.data).stderr == (
        "hongbao: this server has no workers (server.workers): restart it with your service manager\n"
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ("--workers", "0"),
            "server.workers is '0', but must be a whole number from 1 to 64, or \"auto\"",
        ),
        (("--workers", "many"), "command line: server.workers is 'many', but must be"),
    ],
)
def test_wrong_workers_are_refused_with_one_line(tmp_path: Path, words: tuple[str, ...], error: str) -> None:
    done = here("serve", "--data", tmp_path / "data", *words)
    assert error in done.stderr
