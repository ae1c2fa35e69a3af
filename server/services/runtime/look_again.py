"""The loop of work that lies in PostgreSQL: look, then wait until it is time or there is more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, NoReturn

from server.services.runtime.outage_log import OutageLog
from storage.errors import StoreUnavailable

OUTAGE_S: Final = 0.5  # between two looks while PostgreSQL is away


async def look_again(look: Callable[[], Awaitable[float]], wake: asyncio.Event, outage_log: OutageLog) -> NoReturn:
    """Look again and again: after the seconds that `look` returns, or as soon as `wake` is set.

    `look` raises StoreUnavailable; any other error ends the loop.
    """
    while True:
        wake.clear()
        try:
            pause_s = await look()
            outage_log.is_over()
        except StoreUnavailable as error:
            outage_log.begins(error)
            await asyncio.sleep(OUTAGE_S)
            continue
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await wake.wait()
