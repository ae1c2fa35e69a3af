"""Reading the log of a server process, and making it read its config again."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from server.process import LOG
from server.running import running
from tests.conftest import PATIENCE_S

Event = dict[str, Any]


def logged(data: Path) -> list[Event]:
    """All events so far. What the command says on its standard output is in the same file, and is none."""
    lines = (data / LOG).read_text().splitlines()
    return [json.loads(line) for line in lines if not line.startswith("hongbao serves ")]


def signal_server(data: Path, number: signal.Signals) -> None:
    """Send a signal to the server that runs on a data folder."""
    here = running(data)
    assert here is not None
    os.kill(here.pid, number)


def hang_up(data: Path) -> Event:
    """Send HUP; the one event that it makes."""
    before = len(logged(data))
    signal_server(data, signal.SIGHUP)
    wait_for(lambda: len(logged(data)) > before)
    (event,) = logged(data)[before:]
    return event


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it is so, or the test fails."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
