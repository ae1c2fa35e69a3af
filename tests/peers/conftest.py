"""Servers on one database with peers between them, in the test's loop."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from server.peers.assembly import Peers
from server.services.money.audit import audit
from server.services.runtime import change_feed
from storage.postgres.database import Database
from tests.conftest import PATIENCE_S, SEED_KEYS, Server, StartServer

Linked = Callable[..., Awaitable[Server]]


def peers_of(server: Server) -> Peers:
    """The peers of a server that has some."""
    assert server.app.peers is not None
    return server.app.peers


async def until(what: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not what():  # noqa: ASYNC110  nothing sets an event for it
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def patient_leases(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server in the test's loop is not given up if a busy machine gave the process no turn for two seconds.

    Tests that kill or cut off a server are marked `short_leases`: the others wait for the end of its lease.
    """
    if request.node.get_closest_marker("short_leases") is None:
        monkeypatch.setattr(change_feed, "LEASE_S", 20.0)
        monkeypatch.setattr(change_feed, "GIVE_UP_S", 25.0)
        monkeypatch.setattr(change_feed, "WAIT_S_MAX", 45.0)
        monkeypatch.setattr(change_feed, "MARK_S", 20.0)


@pytest.fixture
def peers_folder() -> Iterator[Path]:
    """Paths of sockets are short."""
    with tempfile.TemporaryDirectory(prefix="hb-") as folder:
        yield Path(folder)


@pytest.fixture
def linked(start_server: StartServer, peers_folder: Path) -> Linked:
    """Starts a server, and returns once it has peers to all that were started before."""
    servers: list[Server] = []

    async def start(**overrides: Any) -> Server:
        servers.append(await start_server(**{"peers_folder": peers_folder, **overrides}))
        living = [one for one in servers if not one.is_over]
        await until(lambda: all(len(peers_of(one).mesh.peers) == len(living) - 1 for one in living))
        return servers[-1]

    return start


@pytest.fixture
async def trio(linked: Linked) -> list[Server]:
    """Three servers with peers."""
    return [await linked() for _ in range(3)]


@pytest.fixture
def books_balance(database: Database) -> Callable[[], Awaitable[None]]:
    """Run the audit; the test fails with its discrepancies."""

    async def check() -> None:
        found = await audit(database, SEED_KEYS)
        assert [line for finding in found.findings for line in finding.discrepancies] == []

    return check
