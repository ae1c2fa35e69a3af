"""Temporary folders in memory.

The stores of the tests keep `fsync = on` and `appendfsync always`: the server refuses others. On a disk a commit
then waits for the disk, and a copy of the template database, one for each test, costs a third of a second of
processor time; in memory a twentieth. The tests lose nothing: a process that is killed leaves all that it wrote to
the kernel, and no test switches the power off.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")
ROOM_BYTES: Final = 4 << 30  # several workers, each with its stores; containers often have no more than 64 MiB


def use_memory() -> None:
    """Make temporary folders in memory, here and in child processes, if there is room and TMPDIR names no place."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK | os.X_OK):
        return
    if shutil.disk_usage(MEMORY).free >= ROOM_BYTES:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # it is read again from the environment
