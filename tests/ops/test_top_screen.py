"""The loop of `hongbao top` by itself, with somebody who answers at once."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from rich.live import Live

from server.top import asking
from server.top.screen import QUIT, Screen
from server.top.view import Answers, Connections, Key
from tests.conftest import PATIENCE_S
from tests.ops.answers import LISTED, answers

NOWHERE = Path("nowhere")


@pytest.fixture
def live() -> Live:
    """A picture that nobody sees."""
    return Live(console=Console(file=io.StringIO(), width=80, height=24), auto_refresh=False)


async def test_another_order_is_asked_for_at_once(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: asyncio.Queue[str] = asyncio.Queue()

    async def everything(_: Path, sort: str, __: str) -> Answers:
        asked.put_nowait(f"everything by {sort}")
        return Answers.of(answers())

    async def only_connections(_: Path, sort: str, __: str) -> Connections:
        asked.put_nowait(f"connections by {sort}")
        return msgspec.convert(LISTED, Connections)

    monkeypatch.setattr("server.top.screen.EVERY_S", 3600.0)
    monkeypatch.setattr(asking, "answers", everything)
    monkeypatch.setattr(asking, "connections", only_connections)
    screen = Screen(NOWHERE, live.console, "nobody")
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(screen.run(live))
        assert await asked.get() == "everything by pending"
        for key, sort in (("i", "idle"), ("r", "requests")):
            screen.tell(Key(key))
            assert await asked.get() == f"connections by {sort}"
        for key in "rhx":  # nothing new is asked for
            screen.tell(Key(key))
        screen.tell(QUIT)
    assert asked.empty()


async def test_a_defect_ends_it_instead_of_leaving_a_still_picture(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Path, sort: str, __: str) -> Answers:
        raise RuntimeError("a defect")

    monkeypatch.setattr(asking, "answers", fail)
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(RuntimeError, match="a defect"):
            await Screen(NOWHERE, live.console, "nobody").run(live)
