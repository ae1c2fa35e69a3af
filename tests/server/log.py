"""The log of a server process, and a reload of its config."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from server.instance import running
from server.process import LOG
from tests.conftest import PATIENCE_S

Event = dict[str, Any]


def logged(data: Path) -> list[Event]:
    """All events so far. The first line of the command is in the same file, but is not an event."""
    lines = (data / LOG).read_text().splitlines()
    return [json.loads(line) for line in lines if not line.startswith("hongbao serves ")]


def signal_server(data: Path, number: signal.Signals) -> None:
    """Send a signal to the server that runs on a data folder."""
    instance = running(data)
    assert instance is not None
    os.kill(instance.pid, number)


def hang_up(data: Path) -> Event:
    """Send SIGHUP; the one event that it logs."""
    before = len(logged(data))
    signal_server(data, signal.SIGHUP)
    wait_for(lambda: len(logged(data)) > before)
    (event,) = logged(data)[before:]
    return event


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until the condition is true; else the test fails."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
