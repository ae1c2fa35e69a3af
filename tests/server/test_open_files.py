"""Open files: the limit is raised at the start, and connections leave room for the stores."""

from __future__ import annotations

import json
import resource
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.chaos.supervisor import free_port
from server.instance import running
from server.operating_system.open_files import OTHERS, Needs, OpenFiles, Room, shared_out
from tests.issuer import Issuer
from tests.server.log import wait_for
from tests.server.serving import PATIENCE_S, Serve, ended, here

CONNECTIONS = 400
STRANGERS = 1_100
BESIDE = 80  # files of stores, logs and the like
LOGIN_S = "3"  # in this time all are accepted, however busy the machine is
SAMPLES_S = 2.5  # in this time there are some samples
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


def environment(**values: object) -> dict[str, str]:
    """Values of the config, as variables."""
    return {f"HONGBAO_{name.upper()}": str(value) for name, value in values.items()}


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


@pytest.mark.parametrize(
    ("limit", "needs", "found"),
    [
        (1_024, Needs(8), OpenFiles(1_024, 392, Room(632, 158))),
        (1_024, Needs(8, http_api=True), OpenFiles(1_024, 550, Room(474, 158))),
        (1_024, Needs(8, http_api=True, office=True, handshakes=256), OpenFiles(1_024, 802, Room(222, 74))),
        (65_536, Needs(8, sets=3, http_api=True), OpenFiles(65_536, 1_540, Room(63_996, 1_100))),
        (400, Needs(8, http_api=True), OpenFiles(400, 424, Room(1, 32))),
    ],
)
def test_each_address_has_a_share_of_the_open_files(limit: int, needs: Needs, found: OpenFiles) -> None:
    assert shared_out(limit, needs) == found


def lowest_free_file(server: subprocess.Popen[str]) -> int:
    """The number that the next file of it gets."""
    used = {int(one.name) for one in Path(f"/proc/{server.pid}/fd").iterdir()}
    return next(number for number in range(len(used) + 1) if number not in used)


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
def test_server_without_a_free_file_goes_on_as_soon_as_there_is_one(
    tmp_path: Path, serve: Serve, *, is_tls: bool
) -> None:
    """Connections wait by TLS. On plain TCP libuv hangs up, and clients come back."""
    issuer = Issuer(tmp_path)
    certificate, key = issuer.issue()
    tls = {"HONGBAO_SERVER__TLS_CERTIFICATE": certificate, "HONGBAO_SERVER__TLS_KEY": key} if is_tls else {}
    server = serve(tmp_path, **tls)
    wait_for(is_serving(tmp_path))
    port, (_, hard) = port_of(tmp_path), resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (lowest_free_file(server), hard))
    with socket.create_connection(("127.0.0.1", port)) as user:
        time.sleep(SAMPLES_S)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
        user.settimeout(PATIENCE_S)
        if is_tls:
            context = ssl.create_default_context(cafile=issuer.ca_file)
            with context.wrap_socket(user, server_hostname="127.0.0.1") as secure:
                assert secure.recv(1)  # its hello
        else:
            assert user.recv(1) == b""
            with connected(port, "") as again:
                assert again.recv(1)
    wait_for(lambda: status(tmp_path)["ready"] and status(tmp_path)["rss_bytes"] != 0)
    assert not status(tmp_path)["loop_failures"]
    server.terminate()
    lines = [json.loads(line) for line in ended(server).stderr.splitlines()]
    told = {one["event"] for one in lines if "file" in one["event"] or "accepting" in one["event"]}
    by_tls = {"accepting_paused", "accepting_resumed"} if is_tls else set()
    assert told == {"open_files", "no_free_file", "files_are_free_again"} | by_tls


class Door(NamedTuple):
    """A port beside that of users: the key of its address, whether it speaks TLS, and what answers there."""

    key: str
    is_tls: bool
    path: str = ""


DOORS = [
    Door("ops__http", is_tls=False, path="/livez"),
    Door("ops__tcp", is_tls=False),
    Door("http_api__address", is_tls=False, path="/openapi.json"),
    Door("http_api__address", is_tls=True, path="/openapi.json"),
    Door("office__listen", is_tls=True, path="/"),
    Door("peers__listen", is_tls=True),
]


@contextmanager
def connected(port: int, ca_file: str) -> Iterator[socket.socket]:
    """A connection of an honest client; by TLS if there is a file of an authority."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as plain:
        if not ca_file:
            yield plain
            return
        with ssl.create_default_context(cafile=ca_file).wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            yield secure


@pytest.mark.parametrize("door", DOORS, ids=lambda door: f"{door.key} {'TLS' if door.is_tls else 'plain'}")
def test_stranger_with_1100_connections_to_another_port_leaves_files_for_users(
    tmp_path: Path, serve: Serve, door: Door
) -> None:
    """All come in one burst, at a server that may open fewer files than that; they stay open and are idle."""
    port, issuer = free_port(), Issuer(tmp_path)
    certificate, key = issuer.issue()
    tls = {"server__tls_certificate": certificate, "server__tls_key": key} if door.is_tls else {}
    at = {door.key: f"127.0.0.1:{port}", "office__enabled": str(door.key.startswith("office")).lower()}
    ca_file = issuer.ca_file if door.is_tls else ""
    environment = {f"HONGBAO_{name.upper()}": value for name, value in {**at, **tls}.items()}
    server = serve(tmp_path, program=limited(400, 400), **environment)
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
        with connected(port_of(tmp_path), ca_file) as user:
            assert user.recv(1)  # its hello
        assert status(tmp_path)["ready"]
        if door.path:
            with connected(port, ca_file) as honest:
                honest.sendall(f"GET {door.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
                assert honest.recv(9) == b"HTTP/1.1 "
