"""Where a running server is found: what it leaves in its data folder, and its status socket."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from server.config import Config, load
from server.embedded.run import lock
from server.ops.socket.unix_socket import is_listening

SERVER_FILE: Final = "server.json"
STATUS_SOCKET: Final = "status.sock"
LOCK: Final = "server.lock"  # held (flock) by whoever serves, with its process id


class Instance(NamedTuple):
    """Where a running server is found; kept in DATA/server.json."""

    url: str
    pid: int
    status: Path  # its status socket


class NoAnswer(Exception):
    """No server was there, or it said no; the text is one line for the person who asked."""


class AlreadyServed(Exception):
    """Another process serves on the data folder, or is about to; the text is one line."""


def running(data: Path) -> Instance | None:
    """The server that runs on a data folder, if there is one: one that was killed listens to nobody."""
    try:
        found = json.loads((data / SERVER_FILE).read_text())
        here = Instance(found["url"], found["pid"], Path(found["status"]))
        return here if is_listening(here.status) else None
    except (OSError, ValueError, KeyError):
        return None


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """Inside `with` this process alone may serve on this data folder, wherever its stores are.

    Raises AlreadyServed, OSError.
    """
    try:
        descriptor = os.open(data / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OSError(f"cannot serve on {data}: {error.strerror}") from error
    try:
        if not lock(descriptor):
            raise AlreadyServed(f"a server runs on {data} already: {_holder(data, descriptor)}")
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        (data / SERVER_FILE).unlink(missing_ok=True)  # of one that was killed
        yield
    finally:
        os.close(descriptor)


def _holder(data: Path, descriptor: int) -> str:
    found = running(data)
    where = "it has not begun to serve" if found is None else found.url
    return f"{where}, process {os.read(descriptor, 20).decode() or 'unknown'}"


def publish(data: Path, config: Config, url: str) -> None:
    """This process serves on this data folder from now on. A reader sees the whole file or the one before."""
    here = {"url": url, "pid": os.getpid(), "status": str(status_path(data, config).absolute())}
    temporary = data / f"{SERVER_FILE}.new"
    temporary.write_text(json.dumps(here))
    temporary.rename(data / SERVER_FILE)


def withdraw(data: Path) -> None:
    """It does not serve any more. What another process published stays."""
    with suppress(OSError, ValueError, KeyError):
        if json.loads((data / SERVER_FILE).read_text())["pid"] == os.getpid():
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


def nobody_at(path: Path, data: Path, why: str = "") -> str:
    """What to say when no server answers at a status socket, for a person."""
    return f"no server answers at {path}{why}; {start_one(data)}"


def start_one(data: Path) -> str:
    """What to do when no server runs on a data folder, for a person."""
    return f"start one with: hongbao serve --data {data}"
