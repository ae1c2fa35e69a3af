"""The most memory that this process has had. Linux."""

from __future__ import annotations

import re
from pathlib import Path


def peak_kib() -> int:
    """In KiB. `ru_maxrss` would be that of the parent process at least: a child that is forked begins with it."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])
