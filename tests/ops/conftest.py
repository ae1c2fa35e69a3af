"""Fixtures for tests of operators: a party, and commands to the server that it plays on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from server.instance import STATUS_SOCKET
from server.ops.socket.status_socket import ask
from tests.services.conftest import MakeParty, Party, party, until

__all__ = ["Ask", "MakeParty", "Party", "party", "until"]

Ask = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def ask_server(tmp_path: Path) -> Ask:
    """`await ask_server("packet", 5)`: the answer of the first server."""

    async def one(*words: object) -> dict[str, Any]:
        return await ask(tmp_path / "server0" / STATUS_SOCKET, " ".join(map(str, words)))

    return one
