"""The event loop of `hongbao top` by itself, with answers that come at once."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from rich.live import Live

from server.top import queries
from server.top.screen import QUIT, Screen
from server.top.state import Answers, Connections, KeyPress
from tests.conftest import PATIENCE_S
from tests.ops.top.answers import LISTED, answers

NOWHERE = Path("nowhere")


@pytest.fixture
def live() -> Live:
    """A display in memory."""
    return Live(console=Console(file=io.StringIO(), width=80, height=24), auto_refresh=False)


async def test_changed_order_is_queried_at_once(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: asyncio.Queue[str] = asyncio.Queue()

    async def query_all(_: Path, sort: str, __: str) -> Answers:
        requests.put_nowait(f"all by {sort}")
        return Answers.of(answers())

    async def query_connections(_: Path, sort: str, __: str) -> Connections:
        requests.put_nowait(f"connections by {sort}")
        return msgspec.convert(LISTED, Connections)

    monkeypatch.setattr("server.top.screen.EVERY_S", 3600.0)
    monkeypatch.setattr(queries, "query_all", query_all)
    monkeypatch.setattr(queries, "query_connections", query_connections)
    screen = Screen(NOWHERE, live.console, "no server")
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(screen.run(live))
        assert await requests.get() == "all by pending"
        for key, sort in (("i", "idle"), ("r", "requests")):
            screen.on_event(KeyPress(key))
            assert await requests.get() == f"connections by {sort}"
        for key in "rhx":  # no new query
            screen.on_event(KeyPress(key))
        screen.on_event(QUIT)
    assert requests.empty()


async def test_defect_while_polling_ends_the_screen(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: Path, sort: str, __: str) -> Answers:
        raise RuntimeError("a defect")

    monkeypatch.setattr(queries, "query_all", fail)
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(RuntimeError, match="a defect"):
            await Screen(NOWHERE, live.console, "no server").run(live)
