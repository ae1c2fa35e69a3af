"""What tests of whole servers share: a data folder that stores may run in, for which nothing works afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder that stores may run in, whoever runs the tests."""
    with tempfile.TemporaryDirectory(prefix="hb-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder
        assert left_behind(folder) == []


def left_behind(folder: Path) -> list[str]:
    """Processes that still work for this data folder."""
    return [
        " ".join(one.info["cmdline"] or ())
        for one in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(one.info["cmdline"] or ()) and one.pid != os.getpid()
    ]
