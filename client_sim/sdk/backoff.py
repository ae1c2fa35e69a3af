"""Trying again: how long to wait before the next attempt, and for how long to go on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from client_sim.sdk.errors import ClientError

Answer = TypeVar("Answer")


class Backoff:
    """Delays that double from `first_s` up to `most_s`, each shortened by up to half.

    The jitter keeps the clients of a server that went down from all coming back at the same moment.
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
        """Begin anew: what failed works again."""
        self._next_s = self._first_s


async def patiently(ask: Callable[[], Awaitable[Answer]], patience_s: float) -> Answer:
    """Ask until there is an answer or a failure that is not temporary, waiting as the refusals say.

    After about `patience_s` the last temporary failure is raised as it is.
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
