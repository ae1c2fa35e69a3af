"""The keeper: a small process that keeps child processes running. A child that ends is started again.

The owner starts it with the table of its children on standard input, as JSON, and reads one line of JSON for each
start and each end from its standard output. On SIGTERM, and when its owner has died, it stops its children and
ends; if it is killed itself, the kernel ends the children (see `run.die_with`). It knows nothing of stores.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

import msgspec

from server.embedded.run import Child, EmbeddedError, SystemUser, spawn

POLL_S: Final = 0.1
PAUSE_S_MIN: Final = 0.2  # before a child is started again; doubled each time
PAUSE_S_MAX: Final = 4.0
STEADY_S: Final = 30.0  # a child that has run for so long is started again without a longer pause


class KeptProgram(msgspec.Struct, frozen=True):
    """One child: how it is run, and the signal that ends it cleanly."""

    name: str
    arguments: list[str]
    folder: str
    log: str
    end: int
    user: tuple[str, int, int] | None = None
    stale: list[str] = []  # files that a killed child leaves, which would keep the next one from starting

    def start(self) -> Child:
        """Run it. No process of an earlier run uses the folder any more: `spawn` waits for that."""
        user = None if self.user is None else SystemUser(*self.user)
        return spawn(
            self.arguments, Path(self.folder), Path(self.log), user, signal.Signals(self.end), self.remove_stale
        )

    def remove_stale(self) -> None:
        """Called when the folder is free."""
        for path in self.stale:
            Path(path).unlink(missing_ok=True)


class KeptChild:
    """A program, its process, and when it may be started again."""

    def __init__(self, program: KeptProgram) -> None:
        self.program = program
        self._pause_s = PAUSE_S_MIN
        self._start()

    def _start(self) -> None:
        self._began_s = time.monotonic()
        self._again_s: float | None = None
        self.child = self.program.start()
        tell(started=self.program.name, pid=self.child.process.pid)

    def look(self) -> None:
        """Reap the process if it has ended, and start the next one after the pause."""
        now_s = time.monotonic()
        if self._again_s is None:
            if (code := self.child.process.poll()) is None:
                return
            tell(ended=self.program.name, code=code)
            if now_s - self._began_s > STEADY_S:
                self._pause_s = PAUSE_S_MIN
            self._again_s = now_s + self._pause_s
            self._pause_s = min(2 * self._pause_s, PAUSE_S_MAX)
        elif now_s >= self._again_s:
            try:
                self._start()
            except (OSError, EmbeddedError, subprocess.SubprocessError):  # no memory, no file: later
                self._again_s = now_s + self._pause_s


class Stopped(BaseException):
    """The owner wants it, or is gone."""


def keep(programs: Sequence[KeptProgram], stop_s: float) -> None:
    """Run the programs until SIGTERM, then stop them: by force after `stop_s`."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Stopped

    owner = os.getppid()
    children: list[KeptChild] = []
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for program in programs:
            children.append(KeptChild(program))  # noqa: PERF401  each is stopped if the next does not start
        while os.getppid() == owner:
            for one in children:
                one.look()
            time.sleep(POLL_S)
    except Stopped:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _stop(children, stop_s)


def _stop(children: Sequence[KeptChild], stop_s: float) -> None:
    """All in parallel."""
    for one in children:
        one.child.process.send_signal(one.program.end)
    deadline = time.monotonic() + stop_s
    for one in children:
        try:
            one.child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            one.child.process.kill()
            one.child.process.wait()


def tell(**fields: Any) -> None:
    """A line to the owner. It reads the first ones only, so a full or closed pipe does no harm."""
    with suppress(OSError):
        os.write(1, json.dumps(fields).encode() + b"\n")


def main() -> None:
    """The entry of the process: the stop time and the table come on standard input."""
    stop_s, programs = msgspec.json.decode(sys.stdin.buffer.read(), type=tuple[float, list[KeptProgram]])
    os.set_blocking(1, False)
    keep(programs, stop_s)
