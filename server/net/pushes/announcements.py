"""Announcements to very many users: they leave in parts, and those that wait together reach a user together.

The loop serves others between two parts. Posts that were committed together leave in one write to each connection,
as they do to few users: a write costs more than all else about a push.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from typing import Final, NamedTuple

from server.net.online_user import User
from server.net.pushes.encoded import EncodedPush
from server.net.pushes.table import Push
from server.services.runtime import events

AT_ONCE: Final = 500  # users who are told before the loop serves others: some milliseconds
TOGETHER: Final = 8  # announcements that a user is told at once


class Announcement(NamedTuple):
    """An event, and the users who were present when it was announced. The audience may lose members meanwhile."""

    push: Push
    event: events.Event | EncodedPush
    present: list[User]
    audience: Collection[int]


class Stream:
    """The announcements of one stream, in their order: what is told now, part by part, and what waits."""

    __slots__ = ("_now", "_untold", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Announcement] = []
        self._now: list[tuple[Announcement, frozenset[User] | None]] = []  # None: all who are told now
        self._untold: list[User] = []

    @property
    def is_finished(self) -> bool:
        """All is told."""
        return not self._untold and not self.waiting

    def part(self) -> Iterator[tuple[Announcement, list[User]]]:
        """What the next users are told, and which of them: they are the same for all that is told now."""
        if not self._untold:
            self._begin()
        users, self._untold = self._untold[:AT_ONCE], self._untold[AT_ONCE:]
        for one, present in self._now:
            were_there = users if present is None else [user for user in users if user in present]
            yield one, [user for user in were_there if user.user_id in one.audience]

    def _begin(self) -> None:
        """Take what waits. One order of users for all of it: so each is told everything in the order of posts."""
        taken, self.waiting = self.waiting[:TOGETHER], self.waiting[TOGETHER:]
        self._untold = taken[0].present
        if all(one.present == self._untold for one in taken):
            self._now = [(one, None) for one in taken]
        else:  # some came or left between two of them
            self._untold = list(dict.fromkeys(user for one in taken for user in one.present))
            self._now = [(one, frozenset(one.present)) for one in taken]


class Announcements:
    """The streams of which something is still to be told."""

    def __init__(self, tell: Callable[[Push, events.Event | EncodedPush, list[User]], None]) -> None:
        self._tell = tell
        self._streams: dict[int, Stream] = {}

    def __contains__(self, stream_id: int) -> bool:
        return stream_id in self._streams

    def add(self, stream_id: int, announcement: Announcement) -> None:
        """Tell it after what was added for this stream before."""
        stream = self._streams.get(stream_id)
        if stream is None:
            stream = self._streams[stream_id] = Stream()
            asyncio.get_running_loop().call_soon(self._tell_part, stream_id)
        stream.waiting.append(announcement)

    def _tell_part(self, stream_id: int) -> None:
        stream = self._streams[stream_id]
        for one, users in stream.part():
            self._tell(one.push, one.event, users)
        if stream.is_finished:
            del self._streams[stream_id]
        else:
            asyncio.get_running_loop().call_soon(self._tell_part, stream_id)
