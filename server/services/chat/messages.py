"""Texts to groups, and catching up on what one missed. Texts are recorded in natural batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from server.core.limits import HOSTILE_IN_LINES, Limits, check_text
from server.core.refusals import Reason
from server.services.chat.groups import GroupService
from server.services.chat.history import KeptPost, RecentHistory
from server.services.chat.posts import PostReader, first_of
from server.services.runtime.batching import Batcher
from server.services.runtime.bus import Bus
from server.services.runtime.events import TextPost
from server.services.runtime.read_lane import ReadLane
from storage.postgres.chat.messages import MessageStore, Post, StreamBounds, StreamReader

BATCH_MAX = 500
POSITIONS_MAX = 100  # found at once: their readers go on in one turn of the loop


class MissedPosts(NamedTuple):
    """The messages asked for, oldest first. `reload`: too many were missed to tell them one by one."""

    last_message: int
    reload: bool
    posts: Sequence[KeptPost]


class MessageService:
    """Use cases on streams. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        store: MessageStore,
        reader: PostReader,
        groups: GroupService,
        reads: ReadLane,
        limits: Limits,
        now_ms: Callable[[], int],
        bus: Bus,
    ) -> None:
        self._store = store
        self._reader = reader
        self._groups = groups
        self._reads = reads
        self._history = RecentHistory(store, reader, limits)
        self._limits = limits
        self._now_ms = now_ms
        self._bus = bus
        self.batcher: Batcher[Post, int] = Batcher(self._record, BATCH_MAX, limits)
        self.positions: Batcher[StreamReader, StreamBounds] = Batcher(self._find_positions, POSITIONS_MAX, limits)
        self.batchers: Sequence[Batcher[Any, Any]] = (self.batcher, self.positions, self._history.batcher)

    async def say(self, user_id: int, group_id: int, text: str) -> int:
        """Post a text to a group; its number in the group's stream."""
        check_text(text, 1, self._limits.text_bytes_max, Reason.BAD_TEXT, HOSTILE_IN_LINES)
        await self._groups.seen_by(user_id, group_id)
        return await self.batcher.submit(Post(group_id, user_id, self._now_ms(), text, None))

    async def _record(self, posts: list[Post]) -> list[int]:
        numbers = await self._store.append(posts)
        for post, number in zip(posts, numbers, strict=True):
            event = TextPost(post.stream_id, number, post.sender_id, post.at_ms, post.text or "")
            self._bus.publish(event, self._groups.members(post.stream_id))
        return numbers

    async def catch_up(self, user_id: int, stream_id: int, after: int) -> MissedPosts:
        """What came in one of the user's streams after message number `after`, and since they joined."""
        is_inbox = stream_id == user_id  # otherwise it must be one of their groups
        if not is_inbox:
            await self._must_see(user_id, stream_id)
        position = await self.positions.submit(StreamReader(stream_id, user_id))
        last, after = position.last_message, max(after, position.begins_at, 0)
        if last - after > self._limits.reload_after_messages:
            return MissedPosts(last, reload=True, posts=())
        until = min(last, after + self._limits.catch_up_messages)
        if not is_inbox:
            return MissedPosts(last, reload=False, posts=await self._history.read(stream_id, after, until))
        async with self._reads.turn():  # only its owner reads it: nothing to keep
            rows = await self._store.after(stream_id, after, until - after)
            posts = await self._reader.read(first_of(rows))
        return MissedPosts(last, reload=False, posts=[KeptPost(post) for post in posts])

    async def _must_see(self, user_id: int, group_id: int) -> None:
        if self._groups.is_kept(group_id):
            await self._groups.seen_by(user_id, group_id)
            return
        async with self._reads.turn():
            await self._groups.seen_by(user_id, group_id)

    async def _find_positions(self, readers: list[StreamReader]) -> list[StreamBounds]:
        return await self._store.positions(readers)

    async def last_message(self, group_id: int) -> int:
        """The number of the last message of a group."""
        return await self._store.last(group_id)
