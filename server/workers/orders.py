"""The orders of a worker: all that its process is told, as JSON on its standard input.

Not in the environment, which every child process inherits: passwords of stores and keys are among them.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from server.config import Config
from server.version import version
from server.worker_place import HeldSockets, WorkerPlace, status_socket_of

PRIVATE_MODE: Final = "0600"


class WorkerOrders(msgspec.Struct, frozen=True):
    """What a worker is, and what it serves with. The config is that in force at the supervisor."""

    version: str
    number: int
    workers: int
    owns: bool  # see WorkerPlace
    folder: str
    descriptors: dict[str, int]  # of the held sockets, by the names of HeldSockets
    config: Config
    config_file: str | None  # read again by a reload, with these options over it
    overrides: dict[str, Any]
    data: str
    postgres_dsn: str
    redis_url: str

    def place(self) -> WorkerPlace:
        """The place, with the sockets that this process has inherited."""
        held = {name: socket.socket(fileno=number) for name, number in self.descriptors.items()}
        return WorkerPlace(self.number, self.workers, Path(self.folder), HeldSockets(**held), self.owns)

    def own_config(self, config: Config, pid: int) -> Config:
        """The config of this worker: a private status socket in place of all for operators."""
        path = status_socket_of(Path(self.folder), self.number, pid)
        ops = replace(config.ops, socket=str(path), socket_mode=PRIVATE_MODE, tcp="", http="")
        return replace(config, ops=ops)


class WrongVersion(Exception):
    """The files of the program were replaced under a running supervisor; the message is one line."""


def orders_in(text: bytes) -> WorkerOrders:
    """The orders as JSON. Raises WrongVersion if they are those of another version."""
    given = msgspec.json.decode(text, type=dict[str, Any])
    if given.get("version") != version():
        raise WrongVersion(
            f"the supervisor runs version {given.get('version')}, the installed one is {version()}: "
            "restart the whole server"
        )
    return msgspec.convert(given, WorkerOrders)
