"""The signals that stop a server: the first one drains it, the second one ends it at once."""

from __future__ import annotations

import asyncio
import signal

import structlog

LOG = structlog.get_logger()


def stop_on_signals() -> asyncio.Event:
    """The event that the first SIGTERM or SIGINT sets; a second one cancels the current task."""
    stop, task = asyncio.Event(), asyncio.current_task()
    assert task is not None

    def stop_or_cancel() -> None:
        LOG.info("stopping", at_once=stop.is_set())
        task.cancel() if stop.is_set() else stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop_or_cancel)
    return stop
