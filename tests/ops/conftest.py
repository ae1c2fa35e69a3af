"""What the tests of operators share: a party, and questions to the server that it is at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from server.instance import STATUS_SOCKET
from server.ops.socket.status_socket import ask
from tests.conftest import Server
from tests.services.conftest import MakeParty, Party, party, until

__all__ = ["Ask", "MakeParty", "Party", "party", "until"]

Ask = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def ask_server(tmp_path: Path) -> Ask:
    """`await ask_server("packet", 5)`: the first server's answer."""

    async def one(*words: object) -> dict[str, Any]:
        return await ask(tmp_path / "server0" / STATUS_SOCKET, " ".join(map(str, words)))

    return one


def series(server: Server) -> dict[str, float]:
    """All numbers that operators are told, by dotted names."""
    return dict(_flat(server.app.operations.status(), ""))


def _flat(told: dict[str, Any], prefix: str) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in told.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found.append((prefix + name, value))
    return found
