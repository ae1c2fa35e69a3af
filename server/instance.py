"""How a running server is found: the files that it leaves in its data folder, and its status socket."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from protocol.money_unit import YUAN, MoneyUnit
from server.config import Config, load
from server.config.money import money_unit
from server.embedded.run import lock
from server.ops.socket.unix_socket import is_listening

SERVER_FILE: Final = "server.json"
UNIT_FILE: Final = "money.json"  # stays when the server ends: commands on the records read it
STATUS_SOCKET: Final = "status.sock"
LOCK: Final = "server.lock"  # held (flock) by the server, with its process id


class Instance(NamedTuple):
    """A running server: its address, process and status socket; kept in DATA/server.json."""

    url: str
    pid: int
    status: Path  # the status socket
    websocket: str  # the url for clients that speak WebSocket; empty: none
    http_api: str  # the url of the HTTP API; empty: none


class NoAnswer(Exception):
    """No server answered, or its answer is an error; the message is one line for the user."""


class DataFolderInUse(Exception):
    """Another process serves on the data folder, or is about to; the message is one line for the user."""


def running(data: Path) -> Instance | None:
    """The server that runs on a data folder, or None: after a kill its file remains, but its socket is dead."""
    try:
        found = json.loads((data / SERVER_FILE).read_text())
        urls = found.get("websocket", ""), found.get("http_api", "")
        instance = Instance(found["url"], found["pid"], Path(found["status"]), *urls)
        return instance if is_listening(instance.status) else None
    except PermissionError as error:
        raise NoAnswer(f"{no_permission(error.filename or data)}") from None
    except (OSError, ValueError, KeyError):
        return None


def no_permission(path: object) -> str:
    """The message if this user may not use the files of a server."""
    return f"{path}: permission denied; run the command as the user of the server"


@contextmanager
def exclusive(data: Path) -> Iterator[None]:
    """Inside `with` no other process can serve on this data folder, wherever its stores are.

    Raises DataFolderInUse, OSError.
    """
    try:
        descriptor = os.open(data / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OSError(f"cannot serve on {data}: {error.strerror}") from error
    try:
        if not lock(descriptor):
            raise DataFolderInUse(f"a server already runs on {data}: {_holder(data, descriptor)}")
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        (data / SERVER_FILE).unlink(missing_ok=True)  # left by a server that was killed
        yield
    finally:
        os.close(descriptor)


def _holder(data: Path, descriptor: int) -> str:
    found = running(data)
    where = "it is still starting" if found is None else found.url
    return f"{where}, process {os.read(descriptor, 20).decode() or 'unknown'}"


def publish(data: Path, config: Config, url: str, *, websocket: str, http_api: str) -> None:
    """Record that this process serves on the data folder, and its unit of money. Files are replaced as a whole."""
    unit = money_unit(config)
    if unit != YUAN:
        _replace(data / UNIT_FILE, msgspec.json.encode(unit))
    else:
        (data / UNIT_FILE).unlink(missing_ok=True)
    status = str(status_path(data, config).absolute())
    urls = {"url": url, "websocket": websocket, "http_api": http_api}
    instance = {**urls, "pid": os.getpid(), "status": status}
    _replace(data / SERVER_FILE, json.dumps(instance).encode())


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_bytes(content)
    temporary.rename(path)


def unit_of(data: Path, config: Config) -> MoneyUnit:
    """The unit of money of the records: that of the config, else that of the last server on the data folder.

    A database that the config names may be that of another folder: then only the config tells.
    """
    unit = money_unit(config)
    if unit == YUAN and not config.stores.postgres:
        with suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode((data / UNIT_FILE).read_bytes(), type=MoneyUnit)
    return unit


def withdraw(data: Path) -> None:
    """Remove the record of this process; a record of another process stays."""
    with suppress(OSError, ValueError, KeyError):
        if json.loads((data / SERVER_FILE).read_text())["pid"] == os.getpid():
            (data / SERVER_FILE).unlink(missing_ok=True)


def status_path(data: Path, config: Config) -> Path:
    """The path of the status socket of a server with this config."""
    return Path(config.ops.socket) if config.ops.socket else data / STATUS_SOCKET


def status_socket(data: Path, config: Path | None) -> Path:
    """The path of the status socket of the server on a data folder, running or not.

    Raises ConfigError.
    """
    found = running(data)
    return status_path(data, load(config, {})) if found is None else found.status


def no_answer_at(path: Path, data: Path, why: str = "") -> str:
    """The message if no server answers at a status socket."""
    return f"no server answers at {path}{why}; {how_to_start(data)}"


def how_to_start(data: Path) -> str:
    """The advice if no server runs on a data folder."""
    return f"start one with: hongbao serve --data {data}"
