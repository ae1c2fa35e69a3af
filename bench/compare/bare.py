"""The bare server of bench.compare.rivals.echo as a process of its own, for as long as a `with` lasts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from bench.compare.rivals import echo
from server.embedded.run import die_with
from server.process import ServerFailed

STOP_S: Final = 5.0


class Bare(NamedTuple):
    """Where it listens."""

    url: str
    child: subprocess.Popen[bytes]

    def check(self) -> None:
        """Raise ServerFailed if it has ended meanwhile."""
        if self.child.poll() is not None:
            raise ServerFailed(f"the bare server ended by itself (exit code {self.child.returncode})")


@contextmanager
def serving() -> Iterator[Bare]:
    """It listens on loopback, and is gone afterwards. Raises ServerFailed."""
    child = subprocess.Popen(
        [sys.executable, "-m", echo.__name__, "--port", "0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C in the terminal is for us; we end it when we are done with it
        preexec_fn=die_with(os.getpid(), signal.SIGTERM),
    )
    try:
        assert child.stdout is not None
        url = child.stdout.readline().decode().strip()
        if not url:
            raise ServerFailed(f"the bare server did not start (exit code {child.wait()})")
        yield Bare(url, child)
    finally:
        child.terminate()
        try:
            child.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
