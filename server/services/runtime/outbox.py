"""The outbox: posts about money that moved get their numbers, in order per stream, and are pushed at least once.

The transaction that moves money writes rows; this loop posts them to their streams, pushes the posts to the users
who are online, and only then forgets the rows. A post repeats what was told live before (claims, a finish, a
refund) for users who were away: it names packet and claims, so a client shows nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Final

from server.core.ids import is_user
from server.services.chat.groups import GroupService
from server.services.chat.posts import PostReader
from server.services.packets.commit import CommitPath
from server.services.runtime.bus import Bus
from server.services.runtime.events import BalanceChange, Reminder
from server.services.runtime.outage_log import OutageLog
from storage.errors import StoreUnavailable
from storage.postgres.chat.outbox import OutboxStore

BATCH_MAX: Final = 500
PACE_S: Final = 0.5  # between two batches: claims that come meanwhile are told in one post
# Longer for each claim that waits to be recorded: who waits for `won` comes first.
YIELD_S_PER_CLAIM: Final = 0.001
YIELD_S_MAX: Final = 2.0


class Outbox:
    """Empties the outbox; what is in it survives a crash."""

    def __init__(
        self,
        store: OutboxStore,
        reader: PostReader,
        groups: GroupService,
        idle_s: float,
        bus: Bus,
        commit: CommitPath,
    ) -> None:
        self._store = store
        self._reader = reader
        self._groups = groups
        self._idle_s = idle_s
        self._bus = bus
        self._commit = commit
        self._wake = asyncio.Event()
        self._outage_log = OutageLog("outbox_waits")
        self.posts = 0
        bus.subscribe(self._on_balance_change, BalanceChange)

    def _on_balance_change(self, event: BalanceChange, audience: Collection[int]) -> None:
        """Money has moved: do not wait for the next look."""
        self._wake.set()

    async def run(self) -> None:
        """Post. Never ends; to be supervised. Looks by itself every `idle_s`, for rows of other servers."""
        while True:
            await asyncio.sleep(min(PACE_S + self._commit.unrecorded * YIELD_S_PER_CLAIM, YIELD_S_MAX))
            self._wake.clear()
            try:
                while await self.post_once() == BATCH_MAX:
                    pass
                self._outage_log.is_over()
            except StoreUnavailable as error:
                self._outage_log.begins(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._idle_s):
                    await self._wake.wait()

    async def post_once(self) -> int:
        """One batch; how many rows it took. Raises StoreUnavailable: the next batch begins with the same rows."""
        numbered = await self._store.number(BATCH_MAX)
        if numbered.outbox_ids:
            await self._groups.keep([row.stream_id for row in numbered.posts if not is_user(row.stream_id)])
            for post in await self._reader.reminders(numbered.posts):
                self.posts += 1
                self._bus.publish(post, self._viewers(post))
            await self._store.forget(numbered.outbox_ids)
        return len(numbered.outbox_ids)

    def _viewers(self, post: Reminder) -> Collection[int]:
        return (post.stream_id,) if is_user(post.stream_id) else self._groups.members(post.stream_id)
