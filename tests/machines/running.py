"""Servers on several hosts, each with workers, and HAProxy in front of them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from bench.chaos.supervisor import free_port
from server.process import Program, ServerProcess
from tests.machines.network import Host
from tests.server.log import wait_for
from tests.workers.running import Workers

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
KEY_FILES: Final = ("keys.toml", "seed-keys.toml")


class Machine(Workers):
    """A server with several workers on a host of its own. Inside `with` it runs."""

    def __init__(self, host: Host, data: Path, number: int, **environment: str) -> None:
        super().__init__(data, number)
        self.host = host
        about = {"HONGBAO_SERVER__HOST": host.address, "HONGBAO_PEERS__LISTEN": f"{host.own}:7800"}
        self._process = ServerProcess(
            data,
            "--workers",
            str(number),
            program=Program(wrapper=host.enter),
            environment={**os.environ, **about, **environment},
        )

    def links(self) -> dict[str, int]:
        """Ends of links of its workers, by kind."""
        links: dict[str, int] = self.status().get("links", {}).get("up", {})
        return {kind: ends for kind, ends in links.items() if ends}

    def kill_all(self) -> None:
        """As if the power had failed: the workers end with the supervisor."""
        pids = [self.pid, *self.pids()]
        os.kill(pids[0], signal.SIGKILL)
        wait_for(lambda: not any(_is_alive(pid) for pid in pids))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Inside, none of its processes does anything; the kernel still accepts connections for them."""
        pids = [self.pid, *self.pids()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    @property
    def url_port(self) -> int:
        """Where clients connect."""
        return int(self.url.rpartition(":")[2])


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def copy_keys(source: Path, target: Path) -> None:
    """All servers of one database have the same keys."""
    target.mkdir(parents=True, exist_ok=True)
    for name in KEY_FILES:
        shutil.copy(source / name, target / name)


class Fronts(NamedTuple):
    """The ports of HAProxy."""

    clients: int
    websocket: int


@contextmanager
def haproxy(folder: Path, *servers: tuple[str, int]) -> Iterator[int]:
    """HAProxy with the config of `deploy/`, before two servers; the port for clients."""
    with proxied(folder, {"7788": servers}) as fronts:
        wait_for(lambda: _answers(fronts.clients))
        yield fronts.clients


@contextmanager
def proxied(folder: Path, places: Mapping[str, Sequence[tuple[str, int]]]) -> Iterator[Fronts]:
    """The same before two places for each of these ports of the config; it may not answer yet."""
    program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no haproxy on this machine: apt install haproxy")
    text = (DEPLOY / "haproxy.cfg").read_text("utf-8")
    ports = {name: free_port() for name in ("7788", "7791", "7792")}
    for of, servers in places.items():
        for name, (host, port) in zip(("10.0.0.1", "10.0.0.2"), servers, strict=True):
            assert f"{name}:{of}" in text
            text = text.replace(f"{name}:{of}", f"{host}:{port}")
    for name, port in ports.items():
        assert f"bind :{name}\n" in text
        text = text.replace(f"bind :{name}\n", f"bind 127.0.0.1:{port}\n")
    text = text.replace("maxconn 20000", "maxconn 1000")  # a machine of tests may have few open files
    file = folder / "haproxy.cfg"
    file.write_text(text)
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([program, "-f", str(file), "-db"], stdout=log, stderr=log)
    try:
        wait_for(lambda: process.poll() is not None or _is_open(ports["7788"]))
        assert process.poll() is None, (folder / "haproxy.log").read_text()
        yield Fronts(ports["7788"], ports["7791"])
    finally:
        process.terminate()
        process.wait()


def _is_open(port: int) -> bool:
    """It takes connections."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


def _answers(port: int) -> bool:
    """A server says hello through it."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0) as connected:
        return bool(connected.recv(1))
    return False


def audited(data: Path, dsn: str) -> subprocess.CompletedProcess[str]:
    """The audit of the books, by a process of its own."""
    words: list[Any] = [sys.executable, "-m", "server.cli", "audit", "--data", data, "--postgres", dsn]
    return subprocess.run(words, capture_output=True, text=True, check=False)
