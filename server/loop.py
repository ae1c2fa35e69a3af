"""The event loop of all processes, uvloop, and the garbage collector of those that serve for long."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

Result = TypeVar("Result")


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
