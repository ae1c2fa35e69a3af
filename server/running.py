"""Where a running server is found: what it leaves in its data folder, and its status socket."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Final, NamedTuple

from server.config import Config, load
from server.ops.status import address

SERVER_FILE: Final = "server.json"
STATUS_SOCKET: Final = "status.sock"


class Running(NamedTuple):
    """Where a running server is found; kept in DATA/server.json."""

    url: str
    pid: int
    status: Path  # its status socket


class NoAnswer(Exception):
    """No server was there, or it said no; the text is one line for the person who asked."""


def running(data: Path) -> Running | None:
    """The server that runs on a data folder, if there is one: one that was killed listens to nobody."""
    try:
        found = json.loads((data / SERVER_FILE).read_text())
        status_socket = Path(found["status"])
        with socket.socket(socket.AF_UNIX) as status, address(status_socket) as there:
            status.connect(there)
    except (OSError, ValueError, KeyError):
        return None
    return Running(found["url"], found["pid"], status_socket)


def publish(data: Path, config: Config, url: str) -> None:
    """This process serves on this data folder from now on. A reader sees the whole file or the one before."""
    here = {"url": url, "pid": os.getpid(), "status": str(status_path(data, config).absolute())}
    temporary = data / f"{SERVER_FILE}.new"
    temporary.write_text(json.dumps(here))
    temporary.rename(data / SERVER_FILE)


def withdraw(data: Path) -> None:
    """It does not serve any more."""
    (data / SERVER_FILE).unlink(missing_ok=True)


def status_path(data: Path, config: Config) -> Path:
    """Where a server with this config puts its status socket."""
    return Path(config.ops.socket) if config.ops.socket else data / STATUS_SOCKET


def status_socket(data: Path, config: Path | None) -> Path:
    """The status socket of the server on a data folder; where it would be, if there is none.

    Raises ConfigError.
    """
    found = running(data)
    return status_path(data, load(config, {})) if found is None else found.status
