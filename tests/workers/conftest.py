"""A server with several workers on private stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.server import conftest
from tests.workers.running import Workers

data = conftest.data  # a data folder in which no process may be left

StartWorkers = Callable[..., Workers]


@pytest.fixture
def workers(data: Path) -> Iterator[StartWorkers]:
    """Starts a server: `workers(3, "--config", file, HONGBAO_…="…")`; keywords are environment variables."""
    with ExitStack() as stack:

        def start(number: int, *words: str, **environment: str) -> Workers:
            return stack.enter_context(Workers(data, number, *words, **environment))

        yield start
