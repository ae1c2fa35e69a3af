"""The outbox: posts about money that moved get their numbers, in order per stream, and are pushed.

The transaction that moves money writes rows; this loop posts them to their streams, each once, and pushes the posts
to the users who are online. A user who was away, or whose connection was lost in a crash, finds them in the stream.
A post repeats what was told live before (claims, a finish, a refund): it names packet and claims, so a client shows
nothing twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from itertools import islice
from typing import Final

from server.core.ids import is_user
from server.services.chat.groups import GroupService
from server.services.chat.posts import PostReader, first_of
from server.services.packets.commit.path import CommitPath
from server.services.runtime.bus import Bus
from server.services.runtime.events import BalanceChange, ClaimsPost, FinishPost, RefundPost, RelayPost, Reminder
from server.services.runtime.in_doubt import InDoubt
from server.services.runtime.outage_log import OutageLog
from storage.errors import StoreUnavailable, Unanswered
from storage.postgres.chat.messages import MessageRow
from storage.postgres.chat.outbox import OutboxStore, ReminderKind

BATCH_MAX: Final = 1_000  # packets
PUSH_MAX: Final = 200  # posts that are read at once, to be pushed
UNPUSHED_MAX: Final = 20_000  # posts that wait to be pushed, if they cannot be read
PACE_S: Final = 0.5  # between two batches: claims that come meanwhile are told in one post
# Longer for each claim that waits to be recorded: users who wait for `won` come first.
YIELD_S_PER_CLAIM: Final = 0.001
YIELD_S_MAX: Final = 2.0
EVENTS: Final[dict[ReminderKind, type[Reminder]]] = {
    ReminderKind.CLAIMS: ClaimsPost,
    ReminderKind.FINISH: FinishPost,
    ReminderKind.REFUND: RefundPost,
    ReminderKind.RELAY: RelayPost,
}


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
        self._unpushed: deque[MessageRow] = deque()
        self.in_doubt: InDoubt[MessageRow, MessageRow] = InDoubt(store.find_outcome, self._push_later)
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
                while await self.post_once():
                    pass
                self._outage_log.is_over()
            except StoreUnavailable as error:
                self._outage_log.begins(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._idle_s):
                    await self._wake.wait()

    async def post_once(self) -> int:
        """One batch, then push what was posted; how many posts it made. Raises StoreUnavailable; loses nothing."""
        try:
            posts = await self._store.post(BATCH_MAX)
        except Unanswered as unanswered:
            self.in_doubt.add(unanswered.asked)
            raise
        self.posts += len(posts)
        self._unpushed += posts
        while len(self._unpushed) > UNPUSHED_MAX:  # clients find them in the streams
            self._unpushed.popleft()
        await self._push()
        return len(posts)

    def _push_later(self, post: MessageRow) -> None:
        """A post stands in its stream although the reply to its commit was lost."""
        self.posts += 1
        self._unpushed.append(post)
        self._wake.set()

    async def _push(self) -> None:
        """Push in their order what was posted; a post that cannot be read now waits with those after it."""
        while some := first_of(list(islice(self._unpushed, PUSH_MAX))):
            await self._groups.keep([post.stream_id for post in some if not is_user(post.stream_id)])
            awaited = [
                post for post in some if self._bus.is_awaited(_event_of(post), self._groups.viewers(post.stream_id))
            ]
            for reminder in await self._reader.reminders(awaited) if awaited else ():
                self._bus.publish(reminder, self._groups.viewers(reminder.stream_id))
            for _ in some:
                self._unpushed.popleft()


def _event_of(post: MessageRow) -> type[Reminder]:
    return EVENTS[ReminderKind(post.reminder or 0)]
