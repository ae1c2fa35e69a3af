"""A unix socket at a path: paths may be long, the path is never taken from another server, the file is removed."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

SOCKET_PATH_BYTES_MAX: Final = 103  # sun_path of macOS without the closing zero; Linux has 107


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """An address for the socket at this path, also if the path is too long; valid inside `with`. Raises OSError."""
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"  # on Linux a short name of an open folder
    finally:
        os.close(folder)


def connect(path: Path) -> socket.socket:
    """A connection to the server that listens at this path. Returns at once.

    Raises TimeoutError if the server's accept queue is full, OSError if no server listens.
    """
    connected = socket.socket(socket.AF_UNIX)
    connected.setblocking(False)
    try:
        with socket_address(path) as address:
            connected.connect(address)
    except OSError as error:
        connected.close()
        if isinstance(error, BlockingIOError):
            raise TimeoutError("the accept queue of the socket is full") from None
        raise
    return connected


def is_listening(path: Path) -> bool:
    """Whether a server listens at this path. Returns at once; raises OSError if that cannot be found out."""
    try:
        connect(path).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except TimeoutError:
        pass
    return True


class BoundSocket(NamedTuple):
    """A socket, and the identity of the file that it made at its path."""

    socket: socket.socket
    path: Path
    file: tuple[int, int]  # device and inode

    def unlink(self) -> None:
        """Remove the file, unless another server has replaced it."""
        try:
            if _identity(self.path) == self.file:
                self.path.unlink()
        except FileNotFoundError:
            pass


def bind(path: Path, mode: int) -> BoundSocket:
    """A socket at this path. It replaces a socket without a server, but neither a live one nor another file.

    The mode is set before the socket listens, so it holds for every connection. Raises OSError with one clear line.
    """
    bound = socket.socket(socket.AF_UNIX)
    try:
        _remove_stale_socket(path)
        with socket_address(path) as address:
            bound.bind(address)
        path.chmod(mode)
        return BoundSocket(bound, path, _identity(path))
    except OSError as error:
        bound.close()
        raise OSError(f"cannot listen on {path}: {error.strerror or error}") from error


def _remove_stale_socket(path: Path) -> None:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise OSError("the file there is not a socket")
    if is_listening(path):
        raise OSError("another server listens there")
    path.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino
