"""Clusters of Valkey for tests: processes of their own on free ports, formed by the files that a cluster keeps.

A cluster that is formed by commands needs six seconds; one that finds its `nodes.conf` is as good as restarted.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import redis
from redis.exceptions import RedisError

from bench.chaos.supervisor import free_port
from server.core.placement.hash_tags import TAGS, slot_of, tag_of
from server.embedded.run import die_with
from server.embedded.stores import VALKEY_SETTINGS, valkey_program
from storage.redis.engine import Tags
from tests.conftest import PATIENCE_S

READY_S: Final = 20.0
TRIES: Final = 3  # with other ports each time

OUR_TAGS: Final = Tags(TAGS, tag_of)
SLOTS: Final = 16_384
NODE_TIMEOUT_MS: Final = 1_000
HOST: Final = "127.0.0.1"
OF_NODES: Final = {
    "cluster-enabled": "yes",
    "cluster-config-file": "nodes.conf",
    "cluster-node-timeout": str(NODE_TIMEOUT_MS),
    "cluster-require-full-coverage": "no",
    "cluster-replica-validity-factor": "0",  # a replica that was away for long may be promoted, too
    "repl-diskless-sync-delay": "0",
    "protected-mode": "no",
}


class Node:
    """One process. `before`: words before the command, for example those that enter a namespace."""

    def __init__(self, folder: Path, host: str, port: int, settings: dict[str, str], before: Sequence[str]) -> None:
        self.folder = folder
        self.host = host
        self.port = port
        self._settings = settings
        self._before = before
        self._process: subprocess.Popen[bytes] | None = None
        self._client = redis.Redis(host=host, port=port, socket_timeout=PATIENCE_S, **_login(settings))

    @property
    def place(self) -> str:
        """As a cluster names it."""
        return f"{self.host}:{self.port}"

    def start(self) -> None:
        """Start it, also again with what it had on its disk."""
        settings = VALKEY_SETTINGS | {"dir": str(self.folder), "port": str(self.port), "bind": self.host}
        chosen = settings | self._settings
        words = [part for name, value in chosen.items() for part in (f"--{name}", *(value.split() or [""]))]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._before, valkey_program(), *words],
                stdout=log,
                stderr=log,
                preexec_fn=die_with(os.getpid(), signal.SIGKILL),
            )

    def will_follow(self, master: Node) -> None:
        """When it starts, it is a replica; without a cluster."""
        self._settings["replicaof"] = f"{master.host} {master.port}"

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Inside, the process is stopped by SIGSTOP."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def ask(self, *words: str | int) -> Any:
        """The reply to a command; not for a node that is frozen."""
        return self._client.execute_command(*words)  # type: ignore[no-untyped-call]

    def is_master(self) -> bool:
        """It says that it is one."""
        return bool(self.ask("INFO", "replication")["role"] == "master")

    def has_started(self) -> bool:
        """It answers."""
        try:
            return bool(self.ask("PING"))
        except (OSError, RedisError):
            return False

    def close(self) -> None:
        """End it and the connection to it."""
        if self._process is not None:
            self.kill()
        self._client.close()


class NodesOfCluster:
    """The nodes of a cluster: first the masters as they are at the start, then the replicas in the same order."""

    def __init__(self, masters: list[Node], replicas: list[Node]) -> None:
        self.masters = masters
        self.replicas = replicas

    @property
    def nodes(self) -> list[Node]:
        """All of them."""
        return [*self.masters, *self.replicas]

    @property
    def url(self) -> str:
        """Names two of the nodes."""
        return "redis+cluster://" + ",".join(node.place for node in self.masters[:2])

    def master_of(self, packet_id: int) -> Node:
        """The node that had the log of a packet at the start."""
        return self.masters[slot_of(tag_of(packet_id)) * len(self.masters) // SLOTS]

    def replica_of(self, node: Node) -> Node:
        """The replica of a master, as it was at the start."""
        return self.replicas[self.masters.index(node)]

    def is_ready(self) -> bool:
        """All nodes agree that all is well, and all replicas have the data of their masters."""
        return all(node.has_started() and self._is_well(node) for node in self.nodes)

    def _is_well(self, node: Node) -> bool:
        info, links = node.ask("CLUSTER INFO"), node.ask("INFO", "replication")
        links_up = links.get("master_link_status", "up") == "up"
        has_replica = not self.replicas or links["role"] == "slave" or links["connected_slaves"] == 1
        return info["cluster_state"] == "ok" and links_up and has_replica

    def flush(self) -> None:
        """Remove all keys."""
        for node in self.masters:
            node.ask("FLUSHALL")


class NotReady(Exception):
    """A cluster did not get ready: another process has taken one of its ports, most likely."""


@contextmanager
def cluster_of(
    masters: int,
    *,
    has_replicas: bool = True,
    hosts: Callable[[int], tuple[str, Sequence[str]]] = lambda _: (HOST, ()),
    announced: Sequence[int] = (),
    **settings: str,
) -> Iterator[NodesOfCluster]:
    """A cluster with equal ranges of slots. `settings` of each node, with _ for the hyphen.

    `hosts`: the address of a node by its number, and the words before its command; `announced`: ports for clients.
    """
    with ExitStack() as stack:
        for _ in range(TRIES):
            with suppress(NotReady):
                made = _cluster_on_free_ports(
                    masters, has_replicas=has_replicas, hosts=hosts, announced=announced, **settings
                )
                yield stack.enter_context(made)
                return
        raise NotReady


@contextmanager
def _cluster_on_free_ports(
    masters: int,
    *,
    has_replicas: bool = True,
    hosts: Callable[[int], tuple[str, Sequence[str]]] = lambda _: (HOST, ()),
    announced: Sequence[int] = (),
    **settings: str,
) -> Iterator[NodesOfCluster]:
    """As `cluster_of`. Raises NotReady."""
    count = masters * (2 if has_replicas else 1)
    chosen = OF_NODES | {name.replace("_", "-"): value for name, value in settings.items()}
    with tempfile.TemporaryDirectory(prefix="hb-") as name:
        made: list[Node] = []
        ports = [(free_port(), free_port()) for _ in range(count)]
        with ExitStack() as stack:
            for number, (port, bus) in enumerate(ports):
                folder = Path(name, str(number))
                folder.mkdir()
                host, before = hosts(number)
                files = [_line(one, hosts(one)[0], *ports[one], masters, number) for one in range(count)]
                vars_line = f"vars currentEpoch {masters} lastVoteEpoch 0"
                (folder / "nodes.conf").write_text("\n".join([*files, vars_line, ""]))
                own = {"cluster-port": str(bus)}
                if announced:
                    own["cluster-announce-port"] = str(announced[number])
                node = Node(folder, host, port, chosen | own, before)
                stack.callback(node.close)
                made.append(node)
            for node in made:
                node.start()
            cluster = NodesOfCluster(made[:masters], made[masters:])
            ends_s = time.monotonic() + READY_S
            while not cluster.is_ready():
                if time.monotonic() > ends_s:
                    raise NotReady
                time.sleep(0.02)
            yield cluster


def _line(number: int, host: str, port: int, bus: int, masters: int, of_node: int) -> str:
    """A node in the file of a node."""
    is_master, master = number < masters, number % masters
    flags = ("myself," if number == of_node else "") + ("master" if is_master else "slave")
    first, last = (master * SLOTS + masters - 1) // masters, ((master + 1) * SLOTS + masters - 1) // masters - 1
    words = [_id(number), f"{host}:{port}@{bus}", flags, "-" if is_master else _id(master), "0 0", str(master + 1)]
    return " ".join([*words, "connected", *([f"{first}-{last}"] if is_master else [])])


def _id(number: int) -> str:
    return f"{number + 1:040x}"


def _login(settings: dict[str, str]) -> dict[str, str]:
    return {"password": settings["requirepass"]} if "requirepass" in settings else {}


async def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail if it does not hold in time."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110  the condition is in another process
            await asyncio.sleep(0.02)
