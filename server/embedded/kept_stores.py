"""The keeper of the stores, as their owner sees it: start it, watch the first start, stop it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from server.embedded import keeper
from server.embedded.keeper import KeptProgram
from server.embedded.run import EmbeddedError, SystemUser, die_with, last_log_lines
from server.embedded.stores import Store

STOP_TIMEOUT_S: Final = 20.0
PACKAGES: Final = Path(__file__).resolve().parents[__name__.count(".")]  # the folder that imports start in


def program_of(store: Store, data: Path, sockets: Path, user: SystemUser | None) -> KeptProgram:
    """A store as the keeper runs it."""
    folder = data / store.name
    return KeptProgram(
        store.name,
        store.arguments(folder, sockets),
        str(folder),
        str(data / f"{store.name}.log"),
        store.end,
        None if user is None else (user.name, user.uid, user.gid),
        [str(path) for path in store.stale(folder, sockets)],
    )


class KeptStores:
    """The keeper's process. `pids` are those of the first start."""

    def __init__(self, programs: Sequence[KeptProgram]) -> None:
        self._programs = {one.name: one for one in programs}
        self._log_starts = {one.name: _size(one.log) for one in programs}
        self._lines = b""
        self.pids: dict[str, int] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from {keeper.__name__} import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(PACKAGES)},
            start_new_session=True,  # Ctrl-C in the terminal is for the owner
            preexec_fn=die_with(os.getpid(), signal.SIGTERM),
        )
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode((STOP_TIMEOUT_S, list(programs))))
        self._process.stdin.close()

    def check(self) -> None:
        """Take what the keeper has told. Raises EmbeddedError if a store has ended."""
        for line in self._told():
            if "pid" in line:
                self.pids[line["started"]] = line["pid"]
            else:
                raise EmbeddedError(f"{line['ended']} did not start: {self.last_log_lines(line['ended'])}")
        if self._process.poll() is not None:
            raise EmbeddedError(f"the keeper of the stores ended with code {self._process.returncode}")

    def last_log_lines(self, name: str) -> str:
        """The last lines of this run in the log of a store."""
        return last_log_lines(Path(self._programs[name].log), self._log_starts[name])

    def stop(self) -> None:
        """Stop the stores and their keeper."""
        self._process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S + 5.0
        try:
            self._process.wait(deadline - time.monotonic())
        except subprocess.TimeoutExpired:
            self._process.kill()  # then the kernel ends the stores
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _told(self) -> list[dict[str, Any]]:
        assert self._process.stdout is not None
        while select.select([self._process.stdout], [], [], 0)[0]:
            if not (read := os.read(self._process.stdout.fileno(), 4096)):
                break
            self._lines += read
        *whole, self._lines = self._lines.split(b"\n")
        return [json.loads(line) for line in whole]


def _size(log: str) -> int:
    path = Path(log)
    return path.stat().st_size if path.exists() else 0
