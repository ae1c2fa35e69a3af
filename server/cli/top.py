"""`hongbao top`."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from server.cli.shared.options import DATA, ConfigOption, DataOption
from server.instance import how_to_start, no_answer_at, status_socket
from server.loop import run
from server.top.screen import show_once, watch

Once = Annotated[bool, Parameter(negative=(), help="print one sample and exit, as into a pipe")]


def top(*, once: Once = False, data: DataOption = DATA, config: ConfigOption = None) -> int:
    """Watch a running server: rates, latencies, slow readers, hot packets, every second (h: help, q: quit).

    It goes on when the server restarts. Without a terminal it prints one sample and exits.

    Example: hongbao top --data .hongbao
    """
    console = Console(highlight=False)
    path = status_socket(data, config)
    is_live = sys.stdout.isatty() and not console.is_dumb_terminal and not once
    if is_live:
        run(watch(path, console, f"no server runs; {how_to_start(data)}"))
    else:
        run(show_once(path, console, no_answer_at(path, data)))
    return 0
