"""A NATS server, and servers that use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nats.running import NatsServer
from tests.peers import conftest

peers_folder = conftest.peers_folder
linked = conftest.linked
books_balance = conftest.books_balance


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """One server with JetStream."""
    folder = tmp_path / "nats"
    folder.mkdir()
    with NatsServer(folder) as running:
        yield running
