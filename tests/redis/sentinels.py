"""A master, a replica and three Sentinels, as processes on free ports."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import redis

from bench.chaos.supervisor import free_port
from server.embedded.run import die_with
from server.embedded.stores import valkey_program
from tests.conftest import PATIENCE_S
from tests.redis.nodes import HOST, Node

PASSWORD: Final = "of-the-sentinels"
SENTINEL: Final = """
port {port}
bind {host}
dir {folder}
requirepass {password}
sentinel sentinel-pass {password}
sentinel monitor packets {host} {master} 2
sentinel auth-pass packets {password_of_master}
sentinel down-after-milliseconds packets 1000
sentinel failover-timeout packets 3000
"""
PASSWORD_OF_MASTER: Final = "of-the-master"


class Watched(NamedTuple):
    """Two servers, of which the first is the master at the start, and the ports of the Sentinels."""

    servers: list[Node]
    ports: list[int]

    @property
    def url(self) -> str:
        """Names all Sentinels and the master."""
        hosts = ",".join(f"{HOST}:{port}" for port in self.ports)
        return f"redis+sentinel://:{PASSWORD_OF_MASTER}@{hosts}/packets?sentinel_password={PASSWORD}"


@contextmanager
def watched_by_sentinels(*, has_replica: bool = True) -> Iterator[Watched]:
    """All of them, once the Sentinels know each other and the replica."""
    with tempfile.TemporaryDirectory(prefix="hb-") as name, ExitStack() as stack:
        servers = [_server(Path(name), number) for number in range(1 + has_replica)]
        ports = [free_port() for _ in range(3)]
        for node in servers:
            if node is not servers[0]:
                node.will_follow(servers[0])
            stack.callback(node.close)
            node.start()
            _wait(node)
        for port in ports:
            stack.callback(_stop, _sentinel(Path(name), port, servers[0].port))
        ends_s = time.monotonic() + PATIENCE_S
        while not all(_knows_all(port, len(servers) - 1) for port in ports):
            assert time.monotonic() < ends_s, "the Sentinels do not find each other"
            time.sleep(0.05)
        yield Watched(servers, ports)


def _server(folder: Path, number: int) -> Node:
    own = folder / f"server{number}"
    own.mkdir()
    passwords = {"requirepass": PASSWORD_OF_MASTER, "masterauth": PASSWORD_OF_MASTER}
    more = {"repl-diskless-sync-delay": "0", "protected-mode": "no"}
    return Node(own, HOST, free_port(), {**passwords, **more}, ())


def _wait(node: Node) -> None:
    ends_s = time.monotonic() + PATIENCE_S
    while not node.has_started():
        assert time.monotonic() < ends_s, "a server does not start"
        time.sleep(0.02)


def _sentinel(folder: Path, port: int, master: int) -> subprocess.Popen[bytes]:
    own = folder / f"sentinel{port}"
    own.mkdir()
    words = {"port": port, "host": HOST, "folder": own, "master": master}
    passwords = {"password": PASSWORD, "password_of_master": PASSWORD_OF_MASTER}
    (own / "sentinel.conf").write_text(SENTINEL.format(**words, **passwords))
    with (own / "log").open("ab") as log:
        return subprocess.Popen(
            [valkey_program(), own / "sentinel.conf", "--sentinel"],
            stdout=log,
            stderr=log,
            preexec_fn=die_with(os.getpid(), signal.SIGKILL),
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _knows_all(port: int, replicas: int) -> bool:
    try:
        with redis.Redis(host=HOST, port=port, password=PASSWORD) as client:
            told = client.sentinel_master("packets")
    except redis.RedisError:
        return False
    return bool(told["num-other-sentinels"] == 2 and told["num-slaves"] == replicas)
