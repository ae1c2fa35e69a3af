"""Fixtures of whole servers: a data folder without leftover processes, and `hongbao serve` as a process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from tests.clusters import data_folder
from tests.server.serving import Serve, servers


@pytest.fixture
def data(cluster: Path) -> Iterator[Path]:
    """A data folder with a database cluster to copy; fails if a process of the folder is left."""
    with data_folder(cluster) as folder:
        yield folder
        assert left_behind(folder) == []


@pytest.fixture
async def serve(postgres_dsn: str, redis_url: str) -> AsyncIterator[Serve]:
    """Starts `hongbao serve` on stores that run already; keywords are environment variables."""
    with servers(postgres_dsn, redis_url) as start:
        yield start


def left_behind(folder: Path) -> list[str]:
    """Processes that still name this data folder."""
    return [
        " ".join(one.info["cmdline"] or ())
        for one in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(one.info["cmdline"] or ()) and one.pid != os.getpid()
    ]
