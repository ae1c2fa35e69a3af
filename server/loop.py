"""The event loop of all processes, uvloop, and the garbage collector of those that serve for long."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Collection, Coroutine
from typing import Any, Final, TypeVar

import uvloop

Result = TypeVar("Result")
END_AGAIN_S: Final = 0.5


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


async def done_before(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do this to its end, unless `stop` is set before: the stores may be away, or a migration take hours."""
    doing, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({doing, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
        return doing.done()
    finally:
        await end_all([doing, stopped])


async def end_all(loops: Collection[asyncio.Task[Any]]) -> None:
    """Cancel until they have ended: code below us may swallow a cancellation that meets the end of a wait."""
    still = set(loops)
    while still:
        for loop in still:
            loop.cancel()
        _, still = await asyncio.wait(still, timeout=END_AGAIN_S)
