"""All addresses of a server with several workers: WebSocket, the HTTP API, the HTTP of operators, and systemd."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from client_sim.sdk.client import Client
from server.config import load, load_api_keys
from server.instance import running
from tests.conftest import PATIENCE_S
from tests.http_api.client import Api, signed
from tests.server.log import logged
from tests.server.serving import here
from tests.workers.conftest import StartWorkers


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
