"""The event loop of all processes, uvloop, and the garbage collector of those that serve for long."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

import uvloop

Result = TypeVar("Result")
NICE_MAX: Final = 19


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end on a new uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def tame_garbage_collector() -> None:
    """To be called once in a process, when what lives long is made.

    Packets, claims and connections live long and hold no cycles: to look through them often is waste.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def lower_thread_priority(nicer: int) -> None:
    """Of the calling thread, and of those that it starts. Only Linux has one for each thread."""
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it: then all threads are as urgent as the loop
            nice = min(os.getpriority(os.PRIO_PROCESS, 0) + nicer, NICE_MAX)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
