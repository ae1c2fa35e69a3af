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
CONTROLS: Final = 6  # the index of the control characters in termios settings
NO_KEY: Final = b"\0"


@contextmanager
def raw_keys(terminal: int, pressed: Callable[[str], None], ended: Callable[[], None]) -> Iterator[None]:
    """Inside `with` every key is reported at once and not echoed; afterwards the terminal has its old settings.

    `terminal` is a file descriptor; without a terminal no key is reported. `ended` is called when it is closed.
    Ctrl-C stays a signal. Ctrl-Z does nothing: it would leave the shell with these settings.
    """
    if not os.isatty(terminal):
        yield
        return
    loop = asyncio.get_running_loop()
    before = termios.tcgetattr(terminal)

    def read() -> None:
        try:
            received = os.read(terminal, READ_BYTES)
        except OSError:
            received = b""
        for key in received.decode(errors="replace"):
            pressed(key)
        if not received:
            loop.remove_reader(terminal)
            ended()

    try:
        tty.setcbreak(terminal)
        _disable_suspend(terminal)
        loop.add_reader(terminal, read)
        yield
    finally:
        loop.remove_reader(terminal)
        with suppress(termios.error):  # it is closed
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)  # discards keys that the shell should not get


def _disable_suspend(terminal: int) -> None:
    modes = termios.tcgetattr(terminal)
    modes[CONTROLS][termios.VSUSP] = NO_KEY
    termios.tcsetattr(terminal, termios.TCSANOW, modes)
