"""The queue of pushes between the connection and the app."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from client_sim.sdk.reminders import Reminder
from protocol import messages

Post = messages.TextPosted | messages.PacketPosted | messages.RelayPosted
Numbered = Post | Reminder  # everything that has a number in a stream


class Reloaded(NamedTuple):
    """The app missed more posts than the server hands out, or its position is beyond the end of the stream.

    The stream goes on after number `last_message`.
    """

    stream_id: int
    last_message: int


class MissedChanges(NamedTuple):
    """Changes of the wallet while there was no connection, oldest first; the welcome told the balance by now."""

    entries: list[messages.EntryLine]


Push = messages.Message | Reloaded | MissedChanges


class PushQueue:
    """An async iterator over at most `pushes_max` pushes. When the app does not read, the oldest are dropped."""

    __slots__ = ("_end", "_pushes", "_reader", "dropped")

    def __init__(self, pushes_max: int) -> None:
        self._pushes: deque[Push] = deque(maxlen=pushes_max)
        self._reader: asyncio.Future[None] | None = None
        self._end: Exception | None = None
        self.dropped = 0

    def put(self, push: Push) -> None:
        """Append one push."""
        if len(self._pushes) == self._pushes.maxlen:
            self.dropped += 1
        self._pushes.append(push)
        self._wake()

    def end(self, reason: Exception) -> None:
        """No more pushes will come. The reader gets those that are left, then `reason` is raised."""
        self._end = reason
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def __aiter__(self) -> PushQueue:
        return self

    async def __anext__(self) -> Push:
        while not self._pushes:
            if self._end is not None:
                raise self._end
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self._pushes.popleft()
