"""A small disk that can really be filled: a tmpfs in a mount namespace of its own, which one process keeps alive.

Nothing is mounted for anybody else, and all is gone with that process; others reach it through /proc/PID/root.
Root may mount there. Others need a user namespace, which some systems forbid: then the test says so and is skipped.
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

CHUNK_BYTES: Final = 4096  # of a tmpfs: it is full when not even this is left
MOUNT: Final = 'mount -t tmpfs -o size="$1",mode=0711 none "$2" && echo mounted && exec '
WAIT: Final = "cat"  # ends with its stdin, so also when we are killed


class Disk:
    """A file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no room, not for one byte more than fits into the pages that files have already."""
        with self._filler.open("ab", buffering=0) as file:
            try:
                while file.write(bytes(CHUNK_BYTES)):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """There is room again."""
        self._filler.unlink()


@contextmanager
def small_disk(mount: Path, mebibytes: int) -> Iterator[Disk]:
    """A disk of this size, mounted on an empty folder for those who come through the process that keeps it."""
    command = [*_keeper(), "sh", f"{mebibytes}m", str(mount)]
    try:
        keeper = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    except OSError as error:
        pytest.skip(f"no disk to fill: {error}")
    with keeper:
        assert keeper.stdout is not None
        assert keeper.stderr is not None
        if keeper.stdout.readline() != "mounted\n":
            pytest.skip(f"no disk to fill: {keeper.stderr.read().strip()}")
        yield Disk(Path(f"/proc/{keeper.pid}/root{mount.resolve()}"))


def _keeper() -> list[str]:
    """What mounts and waits, as the user of the stores: nobody else may pass through its /proc."""
    if (who := account()) is None:
        return ["unshare", "-Urm", "sh", "-c", MOUNT + WAIT]
    as_them = f"setpriv --reuid {who.uid} --regid {who.gid} --clear-groups "
    return ["unshare", "-m", "sh", "-c", MOUNT + as_them + WAIT]
