"""Single keys of a terminal, without Enter."""

from __future__ import annotations

import asyncio
import os
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

READ_BYTES: Final = 64
CONTROLS: Final = 6  # where termios keeps the control characters
NO_KEY: Final = b"\0"


@contextmanager
def raw_keys(terminal: int, pressed: Callable[[str], None], ended: Callable[[], None]) -> Iterator[None]:
    """Inside `with` every key is told at once and not shown; however it ends, the terminal is as it was before.

    `terminal` is a file descriptor; if it is none, no key will come. `ended`: the terminal has gone.
    Ctrl-C stays a signal. Ctrl-Z does nothing: it would leave the terminal in this state to the shell.
    """
    if not os.isatty(terminal):
        yield
        return
    loop = asyncio.get_running_loop()
    before = termios.tcgetattr(terminal)

    def read() -> None:
        try:
            came = os.read(terminal, READ_BYTES)
        except OSError:
            came = b""
        for key in came.decode(errors="replace"):
            pressed(key)
        if not came:
            loop.remove_reader(terminal)
            ended()

    try:
        tty.setcbreak(terminal)
        _disable_suspend(terminal)
        loop.add_reader(terminal, read)
        yield
    finally:
        loop.remove_reader(terminal)
        with suppress(termios.error):  # it has gone
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)  # keys that came too late are not for the shell


def _disable_suspend(terminal: int) -> None:
    modes = termios.tcgetattr(terminal)
    modes[CONTROLS][termios.VSUSP] = NO_KEY
    termios.tcsetattr(terminal, termios.TCSANOW, modes)
