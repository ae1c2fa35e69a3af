"""A program in a real pseudo-terminal: what stands on its screen, and fingers for its keys."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Self

import pexpect
import pyte

from tests.conftest import PATIENCE_S

READ_S = 0.1
KEYS = {"up": "\x1b[A", "down": "\x1b[B", "esc": "\x1b", "enter": "\r", "tab": "\t"}
KEYS |= {"f1": "\x1bOP", "f2": "\x1bOQ", "f3": "\x1bOR", "f6": "\x1b[17~"}


class Terminal:
    """Inside `async with` the program runs; it is ended at the exit if it has not ended by itself."""

    def __init__(self, words: list[str], columns: int = 80, rows: int = 24) -> None:
        self._words = words
        self._size = (rows, columns)
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._child: pexpect.spawn[bytes] | None = None

    async def __aenter__(self) -> Self:
        size_of_ours = {
            "COLUMNS",
            "LINES",
        }  # a parallel worker sets them; they would win
        environment = {name: value for name, value in os.environ.items() if name not in size_of_ours}
        environment |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        command, *words = self._words
        self._child = pexpect.spawn(command, words, dimensions=self._size, env=environment, timeout=PATIENCE_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._child is not None
        await asyncio.to_thread(_end, self._child)

    def resize(self, columns: int, rows: int = 24) -> None:
        """Make the window another size; the program is told."""
        assert self._child is not None
        self._screen.resize(rows, columns)
        self._child.setwinsize(rows, columns)

    @property
    def lines(self) -> list[str]:
        """The screen, row by row; a Chinese character is one character here."""
        rows = (self._screen.buffer[number] for number in range(self._screen.lines))
        return ["".join(row[column].data for column in range(self._screen.columns)).rstrip() for row in rows]

    @property
    def text(self) -> str:
        """The screen."""
        return "\n".join(self.lines)

    def colour_of(self, text: str) -> str:
        """The background under the first place where a text stands."""
        row = next(number for number, line in enumerate(self.lines) if text in line)
        cells = self._screen.buffer[row]
        shown = [(column, cells[column]) for column in range(self._screen.columns) if cells[column].data]
        place = "".join(cell.data for _, cell in shown).index(text)
        return shown[place][1].bg

    def press(self, *keys: str) -> None:
        """Names of keys (KEYS), or text to be typed."""
        assert self._child is not None
        for key in keys:
            self._child.send(KEYS.get(key, key))

    def type(self, line: str) -> None:
        """A line and Enter."""
        self.press(line, "enter")

    async def see(self, *texts: str) -> None:
        """Wait until all of these stand on the screen."""
        await self.until(lambda: all(text in self.text for text in texts), f"no {texts}")

    async def see_no_more(self, text: str) -> None:
        """Wait until this has gone. After Esc this comes before the next key: sent together they would be Alt."""
        await self.until(lambda: text not in self.text, f"still {text}")

    async def until(self, holds: Callable[[], bool], otherwise: str) -> None:
        """Wait until the screen is as it should be."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not holds():
                    await self._read()
        except TimeoutError:
            raise AssertionError(f"{otherwise} on:\n{self.text}") from None

    async def ended(self) -> int:
        """Wait until the program ends; its exit code."""
        assert self._child is not None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while await self._read():
                    pass
        except TimeoutError:
            raise AssertionError(f"it has not ended; on its screen:\n{self.text}") from None
        await asyncio.to_thread(self._child.wait)
        return self._child.exitstatus if self._child.exitstatus is not None else -1

    async def _read(self) -> bool:
        """Take in what the program wrote; False if it has ended."""
        assert self._child is not None
        try:
            self._stream.feed(await asyncio.to_thread(self._child.read_nonblocking, 65536, READ_S))
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        return True


def _end(child: pexpect.spawn[bytes]) -> None:
    """Kill the program and wait for its end. pexpect waits for a tenth of a second, too short on a busy machine."""
    if child.isalive():
        child.kill(signal.SIGKILL)
        child.wait()
    child.close()
