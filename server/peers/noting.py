"""Which other servers have noted what they were told, and who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

NOTED_S_MAX: Final = 1.0  # a server that takes longer is about to be cut off; what it has missed it reads then


class Noting:
    """Messages by number. A message is noted once every server that got it has said so, or is gone."""

    def __init__(self) -> None:
        self._number = 0
        self._missing: dict[int, set[int]] = {}
        self._noted: dict[int, asyncio.Future[None]] = {}

    def begin(self, servers: Iterable[int]) -> int:
        """The number of a message to these servers."""
        self._number += 1
        self._missing[self._number] = set(servers)
        self._noted[self._number] = asyncio.get_running_loop().create_future()
        self._check(self._number)
        return self._number

    def noted(self, number: int, server_id: int) -> None:
        """A server has noted this message."""
        if number in self._missing:
            self._missing[number].discard(server_id)
            self._check(number)

    def forget(self, server_id: int) -> None:
        """A server is gone."""
        for number in list(self._missing):
            self.noted(number, server_id)

    async def wait(self, number: int) -> None:
        """Until this message is noted, at most for NOTED_S_MAX."""
        if (noted := self._noted.get(number)) is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(NOTED_S_MAX):
                    await asyncio.shield(noted)

    def _check(self, number: int) -> None:
        if not self._missing[number]:
            del self._missing[number]
            self._noted.pop(number).set_result(None)
