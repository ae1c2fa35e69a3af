"""A server as a child process, for commands that need one: a running server is used, else one is started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from server.embedded.run import die_with
from server.instance import running

START_S = 60.0  # the first start creates a database, which takes seconds on a slow disk
STOP_S = 35.0  # a server drains for up to 30 s
LOG = "server.log"


class ServerFailed(Exception):
    """The server did not start, or ended by itself; the message is one line with the end of its log."""


class Program(NamedTuple):
    """Which hongbao is run: the one of an interpreter, or of a checkout (`tree`) in that interpreter."""

    python: str = sys.executable
    tree: Path | None = None
    wrapper: tuple[str, ...] = ()  # a command that becomes the server, for example with fewer open files

    @property
    def module(self) -> str:
        """The module to run. In a wheel ours has another name than in a checkout."""
        return f"{__package__}.cli" if self.tree is None else "server.cli"

    @property
    def environment(self) -> dict[str, str] | None:
        """The packages of the tree come before installed ones; None: ours."""
        return None if self.tree is None else {**os.environ, "PYTHONPATH": str(self.tree)}


OURS: Final = Program()


class ServerProcess:
    """Inside `with` a server runs on the data folder; one that ran before is used and not stopped at the end."""

    def __init__(
        self, data: Path, *words: str, program: Program = OURS, environment: Mapping[str, str] | None = None
    ) -> None:
        """`words` go to `hongbao serve` of this program if a new one is started, `environment` to its process."""
        self._data = data
        self._words = words
        self._program = program
        self._environment = environment
        self._child: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        found = running(self._data)
        if found is None:
            self._data.mkdir(parents=True, exist_ok=True)
            self._spawn()
            self.url = self._wait_until_serving()
        else:
            self.url = found.url
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def check(self) -> None:
        """Raise ServerFailed if the server has ended."""
        if self._child is not None and self._child.poll() is not None:
            raise ServerFailed(f"the server ended by itself ({self._exit()}): {self._last_log_line()}")

    def _spawn(self) -> None:
        command = [
            *self._program.wrapper,
            self._program.python,
            "-m",
            self._program.module,
            "serve",
            "--data",
            str(self._data),
            "--port",
            "0",
            *self._words,
        ]
        with (self._data / LOG).open("ab") as log:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._program.tree,  # `-m` looks there first
                env=self._variables(),
                start_new_session=True,  # a Ctrl-C in the terminal is for us; we end it when we are done with it
                preexec_fn=die_with(os.getpid(), signal.SIGTERM),
            )

    def _variables(self) -> dict[str, str] | None:
        """The environment of the process; None: ours."""
        if self._environment is None:
            return self._program.environment
        return {**(self._program.environment or os.environ), **self._environment}

    def _wait_until_serving(self) -> str:
        assert self._child is not None
        deadline = time.monotonic() + START_S
        try:
            while time.monotonic() < deadline:
                found = running(self._data)
                if found is not None and found.pid == self._child.pid:
                    return found.url
                if self._child.poll() is not None:
                    raise ServerFailed(f"the server did not start ({self._exit()}): {self._last_log_line()}")
                time.sleep(0.05)
            raise ServerFailed(f"the server did not start within {START_S:.0f} s: {self._last_log_line()}")
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        end_child(self._child, STOP_S)

    def _exit(self) -> str:
        code = self._child.returncode if self._child is not None else 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def _last_log_line(self) -> str:
        lines = (self._data / LOG).read_text(errors="replace").splitlines()
        written = [line.strip() for line in lines if line.strip()]
        return written[-1][:300] if written else "its log is empty"


def end_child(child: subprocess.Popen[bytes] | None, patience_s: float) -> None:
    """End a process that was started here, if it still runs: SIGTERM, and SIGKILL after this time."""
    if child is None or child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(patience_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
