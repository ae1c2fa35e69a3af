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

GONE = "gone"


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Who types, and the terminal itself."""
    typist, terminal = os.openpty()
    yield typist, terminal
    os.close(terminal)
    os.close(typist)


async def test_every_key_is_told_at_once_and_not_shown(terminal: tuple[int, int]) -> None:
    typist, screen = terminal
    pressed: asyncio.Queue[str] = asyncio.Queue()
    with raw_keys(screen, pressed.put_nowait, lambda: None):
        os.write(typist, b"pi\x1a")  # the last one is Ctrl-Z
        async with asyncio.timeout(PATIENCE_S):
            assert [await pressed.get() for _ in range(3)] == ["p", "i", "\x1a"]
    os.set_blocking(typist, False)
    with pytest.raises(BlockingIOError):
        os.read(typist, 100)


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt, asyncio.CancelledError])
async def test_the_terminal_is_as_before_however_it_ends(
    terminal: tuple[int, int], error: type[BaseException] | None
) -> None:
    _, screen = terminal
    before = termios.tcgetattr(screen)
    with nullcontext() if error is None else pytest.raises(error), raw_keys(screen, lambda _: None, lambda: None):
        assert termios.tcgetattr(screen) != before
        if error is not None:
            raise error
    assert termios.tcgetattr(screen) == before


async def test_a_terminal_that_goes_is_told_once() -> None:
    typist, screen = os.openpty()
    told: asyncio.Queue[str] = asyncio.Queue()
    with raw_keys(screen, told.put_nowait, lambda: told.put_nowait(GONE)):
        os.close(typist)
        async with asyncio.timeout(PATIENCE_S):
            assert await told.get() == GONE
        await asyncio.sleep(0.05)
        assert told.empty()
    os.close(screen)


async def test_what_is_no_terminal_has_no_keys() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"q")
    with raw_keys(reading, pytest.fail, lambda: pytest.fail("gone")):
        await asyncio.sleep(0.01)
    os.close(reading)
    os.close(writing)
