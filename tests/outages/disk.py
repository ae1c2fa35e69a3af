"""A small disk that can be filled: a tmpfs in a mount namespace of its own, which one process keeps alive.

Other processes do not see the mount, but reach it through /proc/PID/root; it ends with the process that keeps it.
Root may mount there. Other users need a user namespace, which some systems forbid: then the test is skipped.
"""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from server.embedded.run import account

CHUNK_BYTES: Final = 4096  # of a tmpfs: it is full if not even this is left
MOUNT: Final = 'mount -t tmpfs -o size="$1",mode=0711 none "$2" && echo mounted && exec '
WAIT: Final = "cat"  # ends with its stdin, so also when the test is killed


class Disk:
    """A file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no room beyond the pages that files already have."""
        with self._filler.open("ab", buffering=0) as file:
            try:
                while file.write(bytes(CHUNK_BYTES)):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Make room again."""
        self._filler.unlink()


@contextmanager
def small_disk(mount: Path, mebibytes: int) -> Iterator[Disk]:
    """A disk of this size, mounted on an empty folder in the namespace of the process that keeps it."""
    command = [*_holder(), "sh", f"{mebibytes}m", str(mount)]
    try:
        holder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    except OSError as error:
        pytest.skip(f"no disk to fill: {error}")
    with holder:
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != "mounted\n":
            pytest.skip(f"no disk to fill: {holder.stderr.read().strip()}")
        yield Disk(Path(f"/proc/{holder.pid}/root{mount.resolve()}"))


def _holder() -> list[str]:
    """The command that mounts and waits, as the stores' user: other users may not pass through its /proc."""
    if (user := account()) is None:
        return ["unshare", "-Urm", "sh", "-c", MOUNT + WAIT]
    as_user = f"setpriv --reuid {user.uid} --regid {user.gid} --clear-groups "
    return ["unshare", "-m", "sh", "-c", MOUNT + as_user + WAIT]
