"""All addresses of a server with several workers: WebSocket, the HTTP API, the HTTP of operators, and systemd."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path
from urllib.request import urlopen

import pytest

from client_sim.sdk.client import Client
from server.config import load, load_api_keys
from server.instance import running
from tests.conftest import PATIENCE_S
from tests.http_api.client import Api, signed
from tests.server.log import logged, wait_for
from tests.server.serving import here
from tests.workers.conftest import StartWorkers
from tests.workers.running import Workers


async def test_websocket_and_http_api_listen_on_held_sockets(workers: StartWorkers, data: Path) -> None:
    assert here("key", "new", "--api", "--data", data).code == 0
    server = workers(2, "--http-api", "127.0.0.1:0", HONGBAO_WEBSOCKET__LISTEN="127.0.0.1:0")
    instance = running(data)
    assert instance is not None
    assert instance.websocket.startswith("ws://127.0.0.1:")
    async with Client(instance.websocket, server.token(0)) as backend:
        await backend.top_up(7, 1_000, "one")
    key_id, key = list(load_api_keys(load(None, {}, {}), data, may_make=False).items())[-1]
    async with Api(instance.http_api) as api:
        for _ in range(3):
            headers = signed("GET", "/v1/users/7", b"", key_id=key_id, key=key)
            answer = await api.send("GET", "/v1/users/7", b"", headers)
            assert (answer.status, answer.json["user_id"]) == (200, "7")


def metrics_of(server: Workers) -> dict[str, float]:
    """The metrics of the server, by name with labels."""
    (line,) = [one for one in (server.data / "server.log").read_text().splitlines() if "hongbao serves" in one]
    address = line.partition("dashboard ")[2].partition(";")[0].partition(",")[0]
    with urlopen(f"{address}metrics", timeout=PATIENCE_S) as answer:
        lines = [one for one in answer.read().decode().splitlines() if not one.startswith("#")]
    with urlopen(f"{address}readyz", timeout=PATIENCE_S) as answer:
        assert json.loads(answer.read())["ready"] is True
    return {name: float(value) for name, _, value in (one.rpartition(" ") for one in lines)}


def test_metrics_are_those_of_the_whole_and_of_each_worker(workers: StartWorkers) -> None:
    server = workers(2)
    with server.connections(60):
        rows = server.rows()
        wait_for(lambda: metrics_of(server)["hongbao_connections"] == 60)
        found = metrics_of(server)
    for row in rows:
        label = f'{{worker="{row["worker"]}"}}'
        assert found["hongbao_worker_connections" + label] == row["connections"]
        assert found["hongbao_worker_up" + label] == 1
        assert found["hongbao_worker_ends_total" + label] == 0
    assert found["hongbao_resident_memory_bytes"] > 60_000_000


@pytest.fixture
def systemd(tmp_path: Path) -> socket.socket:
    """The receiving end of what is told to systemd."""
    receiving = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiving.bind(str(tmp_path / "notify"))
    receiving.settimeout(PATIENCE_S)
    return receiving


def next_word(systemd: socket.socket) -> str:
    """The next state that is told, keep-alives left out."""
    while (word := systemd.recv(4096).decode().partition("=")[0]) == "WATCHDOG":
        pass
    return word


def test_supervisor_alone_speaks_to_systemd(workers: StartWorkers, systemd: socket.socket, tmp_path: Path) -> None:
    with systemd:
        server = workers(2, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="1000000")
        assert next_word(systemd) == "READY"
        os.kill(server.pid, signal.SIGHUP)
        assert [next_word(systemd), next_word(systemd)] == ["RELOADING", "READY"]
        assert len([one for one in logged(server.data) if one["event"] == "config_reloaded"]) == 3
        assert systemd.recv(4096) == b"WATCHDOG=1"
        os.kill(server.pid, signal.SIGTERM)
        assert next_word(systemd) == "STOPPING"
