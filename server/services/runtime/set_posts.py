"""What one set of PostgreSQL tells another: announcements and finishes in streams that are there, and best lucks.

The transaction that moved a packet wrote it down; this loop has it recorded in the other set, once, and pushes the
posts. With one set there is no such loop: posts are numbered in the transaction that sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Final

from server.core.ids import is_user
from server.services.chat.groups import GroupService
from server.services.chat.posts import PostReader
from server.services.runtime.bus import Bus
from server.services.runtime.events import BalanceChange
from server.services.runtime.look_again import look_again
from server.services.runtime.outage_log import OutageLog
from storage.errors import StoreUnavailable
from storage.postgres.chat.messages import MessageRow
from storage.postgres.sets.outbox import SetPostStore

BATCH_MAX: Final = 500


class SetPosts:
    """Empties the outbox to other sets of one set; what is in it survives a crash."""

    def __init__(
        self, store: SetPostStore, reader: PostReader, groups: GroupService, idle_s: float, bus: Bus
    ) -> None:
        self._store = store
        self._reader = reader
        self._groups = groups
        self._idle_s = idle_s
        self._bus = bus
        self._wake = asyncio.Event()
        self._outage_log = OutageLog("set_posts_wait")
        self.told = 0
        bus.subscribe(self._on_balance_change, BalanceChange)

    def _on_balance_change(self, event: BalanceChange, audience: Collection[int]) -> None:
        """A packet was sent, or the last claim of one was credited: do not wait for the next look."""
        self._wake.set()

    async def run(self) -> None:
        """Tell. Never ends; to be supervised. Looks by itself every `idle_s`, for rows of other servers."""
        await look_again(self._tell_all, self._wake, self._outage_log)

    async def _tell_all(self) -> float:
        while await self.tell_once():
            pass
        return self._idle_s

    async def tell_once(self) -> int:
        """One batch, and push the posts that it has made; how many rows were told. Raises StoreUnavailable."""
        told, posts = await self._store.tell(BATCH_MAX)
        self.told += told
        if posts:
            with suppress(StoreUnavailable):  # then clients find them in the streams
                await self._push(posts)
        return told

    async def _push(self, posts: list[MessageRow]) -> None:
        await self._groups.keep([post.stream_id for post in posts if not is_user(post.stream_id)])
        for row, post in zip(posts, await self._reader.read(posts), strict=True):
            self._bus.publish(post, self._groups.viewers(row.stream_id))
