"""A unix socket at a path: found however long the path is, bound without taking it from anybody, left tidily."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

SOCKET_PATH_BYTES_MAX: Final = 103  # macOS' sun_path without the closing zero; Linux has 107


@contextmanager
def address(path: Path) -> Iterator[str]:
    """An address for the socket at this path, however long it is; good inside `with`. Raises OSError."""
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"  # Linux' short name of a folder that is open
    finally:
        os.close(folder)


def connect(path: Path) -> socket.socket:
    """A connection to who listens at this path. Returns at once.

    Raises TimeoutError if so many wait there already that it would take a while, OSError if nobody is there.
    """
    connected = socket.socket(socket.AF_UNIX)
    connected.setblocking(False)
    try:
        with address(path) as there:
            connected.connect(there)
    except OSError as error:
        connected.close()
        if isinstance(error, BlockingIOError):
            raise TimeoutError("others wait there already") from None
        raise
    return connected


def is_heard(path: Path) -> bool:
    """Whether somebody listens at this path. Returns at once; raises OSError if that cannot be told."""
    try:
        connect(path).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except TimeoutError:
        pass
    return True


class Bound(NamedTuple):
    """A socket, and which file at its path is ours."""

    socket: socket.socket
    path: Path
    file: tuple[int, int]  # device and inode

    def unlink(self) -> None:
        """Remove the file, unless it is somebody else's by now."""
        try:
            if _file(self.path) == self.file:
                self.path.unlink()
        except FileNotFoundError:
            pass


def bind(path: Path, mode: int) -> Bound:
    """A socket at this path; one that was left there makes room, one that is heard does not, nor any other file.

    Nobody can connect before it listens, so its mode holds from the first moment. Raises OSError, one clear line.
    """
    bound = socket.socket(socket.AF_UNIX)
    try:
        _make_room(path)
        with address(path) as here:
            bound.bind(here)
        path.chmod(mode)
        return Bound(bound, path, _file(path))
    except OSError as error:
        bound.close()
        raise OSError(f"cannot listen on {path}: {error.strerror or error}") from error


def _make_room(path: Path) -> None:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise OSError("there is a file of another kind")
    if is_heard(path):
        raise OSError("another server listens there")
    path.unlink(missing_ok=True)


def _file(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino
