"""Tasks of the event loop: how they are ended, and how a wait is broken off."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, Final

END_AGAIN_S: Final = 0.5


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
