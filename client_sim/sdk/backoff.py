"""Retries: how long to wait before the next attempt, and when to give up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from client_sim.sdk.errors import ClientError

Answer = TypeVar("Answer")


class Backoff:
    """Delays that double from `first_s` up to `most_s`, each shortened at random by up to half.

    Without the jitter all clients of a server that went down would come back at the same moment.
    """

    __slots__ = ("_first_s", "_most_s", "_next_s")

    def __init__(self, first_s: float, most_s: float) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._next_s = first_s

    def delay_s(self) -> float:
        """How long to wait now; the next wait is about twice as long."""
        delay_s = self._next_s * random.uniform(0.5, 1.0)
        self._next_s = min(self._next_s * 2, self._most_s)
        return delay_s

    def reset(self) -> None:
        """The last attempt succeeded: the next delay is the first one again."""
        self._next_s = self._first_s


async def patiently(ask: Callable[[], Awaitable[Answer]], patience_s: float) -> Answer:
    """Ask again after each temporary failure, waiting at least as long as the failure says.

    Any other failure is raised at once, a temporary one when `patience_s` would be exceeded.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + patience_s
    backoff = Backoff(0.01, 0.5)
    while True:
        try:
            return await ask()
        except ClientError as error:
            wait_s = error.retry_after_ms / 1000 + backoff.delay_s()
            if not error.temporary or loop.time() + wait_s > give_up_at:
                raise
        await asyncio.sleep(wait_s)
