"""The errors of stores, for the modules above the services, which do not import `storage`; steps despite locks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from storage.errors import StoreBusy, StoreRefused, StoreUnavailable

__all__ = ["StoreBusy", "StoreRefused", "StoreUnavailable", "at_once_or_each", "despite_locks"]
Item = TypeVar("Item")


async def despite_locks(step: Callable[[Item], Awaitable[object]], items: Iterable[Item]) -> None:
    """Take a step for each: what another transaction locks holds up its own step only. Raises StoreUnavailable.

    At the end StoreBusy, if there was a lock: the caller comes again.
    """
    busy: StoreBusy | None = None
    for item in items:
        try:
            await step(item)
        except StoreBusy as error:
            busy = busy or error
    if busy is not None:
        raise busy


async def at_once_or_each(step: Callable[[Sequence[Item]], Awaitable[object]], items: Sequence[Item]) -> None:
    """Take one step for all; if another transaction locks one of them, a step for each, as `despite_locks` does."""
    try:
        await step(items)
    except StoreBusy:
        await despite_locks(lambda item: step([item]), items)
