"""The place of a worker: which one this process is, and where it finds what its supervisor holds for it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import NamedTuple


class HeldSockets(NamedTuple):
    """Sockets bound to the addresses of the server. The supervisor keeps a copy of each for a successor."""

    main: socket.socket | None = None
    websocket: socket.socket | None = None
    http_api: socket.socket | None = None
    office: socket.socket | None = None


class WorkerPlace(NamedTuple):
    """Which worker this process is, and where it finds what its supervisor holds."""

    number: int  # 0 … workers − 1; stays the same when the worker is replaced
    workers: int
    folder: Path  # DATA/workers: status sockets and links of workers
    sockets: HeldSockets  # listening sockets (socket.socket | None): main, websocket, http_api, office
    owns: bool = True  # packets and users; False: it has connections, and sends on what an owner decides


def status_socket_of(folder: Path, number: int, pid: int) -> Path:
    """The private status socket of a worker. A worker and its successor live side by side for a while."""
    return folder / f"{number}-{pid}.sock"
