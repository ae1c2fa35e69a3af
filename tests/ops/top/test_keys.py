"""Single keys of a real pseudo-terminal."""

from __future__ import annotations

import asyncio
import os
import termios
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from server.top.keys import raw_keys
from tests.conftest import PATIENCE_S

CLOSED = "closed"


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The keyboard side and the program side of a pseudo-terminal."""
    keyboard, terminal = os.openpty()
    yield keyboard, terminal
    os.close(terminal)
    os.close(keyboard)


async def test_key_is_reported_at_once_and_not_echoed(terminal: tuple[int, int]) -> None:
    keyboard, screen = terminal
    pressed: asyncio.Queue[str] = asyncio.Queue()
    with raw_keys(screen, pressed.put_nowait, lambda: None):
        os.write(keyboard, b"pi\x1a")  # the last one is Ctrl-Z
        async with asyncio.timeout(PATIENCE_S):
            assert [await pressed.get() for _ in range(3)] == ["p", "i", "\x1a"]
    os.set_blocking(keyboard, False)
    with pytest.raises(BlockingIOError):
        os.read(keyboard, 100)


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt, asyncio.CancelledError])
async def test_terminal_settings_are_restored_after_any_exit(
    terminal: tuple[int, int], error: type[BaseException] | None
) -> None:
    _, screen = terminal
    before = termios.tcgetattr(screen)
    with nullcontext() if error is None else pytest.raises(error), raw_keys(screen, lambda _: None, lambda: None):
        assert termios.tcgetattr(screen) != before
        if error is not None:
            raise error
    assert termios.tcgetattr(screen) == before


async def test_closed_terminal_is_reported_once() -> None:
    keyboard, screen = os.openpty()
    reported: asyncio.Queue[str] = asyncio.Queue()
    with raw_keys(screen, reported.put_nowait, lambda: reported.put_nowait(CLOSED)):
        os.close(keyboard)
        async with asyncio.timeout(PATIENCE_S):
            assert await reported.get() == CLOSED
        await asyncio.sleep(0.05)
        assert reported.empty()
    os.close(screen)


async def test_pipe_reports_no_keys() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"q")
    with raw_keys(reading, pytest.fail, lambda: pytest.fail("closed")):
        await asyncio.sleep(0.01)
    os.close(reading)
    os.close(writing)
