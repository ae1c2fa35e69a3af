"""What tests of whole servers share: a data folder that stores may run in, for which nothing works afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.clusters import data_folder


@pytest.fixture
def data(cluster: Path) -> Iterator[Path]:
    """A data folder that stores may run in, with a database cluster that is as good as new."""
    with data_folder(cluster) as folder:
        yield folder
        assert left_behind(folder) == []


def left_behind(folder: Path) -> list[str]:
    """Processes that still work for this data folder."""
    return [
        " ".join(one.info["cmdline"] or ())
        for one in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(one.info["cmdline"] or ()) and one.pid != os.getpid()
    ]
