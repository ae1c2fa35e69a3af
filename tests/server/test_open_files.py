"""Open files: the limit is raised at the start, and connections leave room for the stores."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from bench.chaos.supervisor import free_port
from server.instance import running
from server.operating_system.open_files import OTHERS
from tests.server.log import wait_for
from tests.server.serving import Serve, ended, here

CONNECTIONS = 400
STRANGERS = 1_100
BESIDE = 80  # files of stores, logs and the like
LOGIN_S = "3"  # in this time all are accepted, however busy the machine is
BURST_S = 2.0  # the kernel sends the rest of a burst again after a second


def limited(soft: int, hard: int) -> list[str]:
    """The command `hongbao`, with these limits of open files."""
    program = f"import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))"
    return [sys.executable, "-c", f"{program}; runpy.run_module('server.cli', run_name='__main__')"]


@contextmanager
def silent_connections(port: int, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(count)]


def status(data: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(here("status", "--data", data, "--json").stdout)
    return found


def is_serving(data: Path) -> Callable[[], bool]:
    return lambda: running(data) is not None


def port_of(data: Path) -> int:
    instance = running(data)
    assert instance is not None
    return int(instance.url.rpartition(":")[2])


def open_files(server: subprocess.Popen[str]) -> int:
    """How many files it has open now."""
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))


def most_files(server: subprocess.Popen[str]) -> int:
    """How many files it has open at most in the next seconds."""
    most, ends_s = 0, time.monotonic() + BURST_S
    while time.monotonic() < ends_s:
        most = max(most, open_files(server))
        time.sleep(0.002)
    print("open files", most)
    return most


def test_soft_limit_of_open_files_is_raised_and_silent_connections_end(tmp_path: Path, serve: Serve) -> None:
    server = serve(tmp_path, program=limited(200, 2_000), HONGBAO_LIMITS__LOGIN_TIMEOUT_S=LOGIN_S)
    wait_for(is_serving(tmp_path))
    with silent_connections(port_of(tmp_path), CONNECTIONS):
        wait_for(lambda: open_files(server) > CONNECTIONS)
        wait_for(lambda: status(tmp_path)["closes"] == {"login_timeout": CONNECTIONS})
        assert status(tmp_path)["connections"] == 0
    assert status(tmp_path)["ready"]
    server.terminate()
    (line,) = [line for line in ended(server).stderr.splitlines() if '"open_files"' in line]
    told = json.loads(line)
    assert told["limit"] == 2_000
    pool_max, webhooks_in_flight = 8, 256
    assert told["kept_for_stores_and_files"] == pool_max + OTHERS + webhooks_in_flight
    assert told["connections_max"] == 2_000 - told["kept_for_stores_and_files"]


def test_connections_beyond_the_hard_limit_of_open_files_are_refused_and_the_server_goes_on(
    tmp_path: Path, serve: Serve
) -> None:
    server = serve(tmp_path, program=limited(200, 200), HONGBAO_LIMITS__LOGIN_TIMEOUT_S=LOGIN_S)
    wait_for(is_serving(tmp_path))
    most = status(tmp_path)["connections_max"]
    assert isinstance(most, int)
    assert 1 <= most < 200
    port = port_of(tmp_path)
    server.send_signal(signal.SIGSTOP)  # so that all wait when it goes on
    with silent_connections(port, CONNECTIONS):
        server.send_signal(signal.SIGCONT)
        assert most_files(server) < most + BESIDE
        wait_for(
            lambda: (
                status(tmp_path)["closes"] == {"too_many_connections": CONNECTIONS - most, "login_timeout": most}
            )
        )
    assert server.poll() is None
    assert status(tmp_path)["ready"]
    assert not status(tmp_path)["loop_failures"]


@pytest.mark.parametrize("door", ["ops.http", "ops.tcp"])
def test_stranger_with_1100_connections_to_a_port_of_operators_leaves_files_for_users(
    tmp_path: Path, serve: Serve, door: str
) -> None:
    """All come in one burst, at a server that may open fewer files than that; they stay open and are idle."""
    port = free_port()
    server = serve(
        tmp_path, program=limited(400, 400), **{f"HONGBAO_{door.replace('.', '__')}": f"127.0.0.1:{port}"}
    )
    wait_for(is_serving(tmp_path))
    with ExitStack() as stack:
        server.send_signal(signal.SIGSTOP)
        for _ in range(STRANGERS):
            stranger = stack.enter_context(socket.socket())
            stranger.setblocking(False)
            with suppress(BlockingIOError):
                stranger.connect(("127.0.0.1", port))
        server.send_signal(signal.SIGCONT)
        assert most_files(server) < OTHERS
        with socket.create_connection(("127.0.0.1", port_of(tmp_path))) as user:
            assert user.recv(1)  # its hello
        assert status(tmp_path)["ready"]
