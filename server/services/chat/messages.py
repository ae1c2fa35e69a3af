"""Texts to groups, and catching up on what one missed. Texts are recorded in natural batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from server.core.limits import HOSTILE_IN_LINES, Limits, check_text
from server.core.refusals import Reason, RequestRefused
from server.services.chat.groups import GroupService
from server.services.chat.history import KeptPost, RecentHistory
from server.services.chat.posts import PostReader, first_of
from server.services.runtime.batching import Batcher
from server.services.runtime.bus import Bus
from server.services.runtime.events import TextPost
from server.services.runtime.read_lane import ReadLane
from storage.postgres.chat.groups import GroupKind
from storage.postgres.chat.messages import MessageStore, Post, StreamBounds, StreamReader
from storage.postgres.chat.users import Barred

BATCH_MAX = 500
POSITIONS_MAX = 100  # found at once: their readers go on in one turn of the loop


class MissedPosts(NamedTuple):
    """The messages asked for, oldest first. `reload`: too many were missed to tell them one by one."""

    last_message: int
    reload: bool
    posts: Sequence[KeptPost]


class OfferedText(NamedTuple):
    """A text to be. `receiver_id`: the other user of a one-to-one chat; 0 in a group."""

    post: Post
    receiver_id: int


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
        texts: bool,
    ) -> None:
        """`texts`: users say texts; otherwise the chat backend alone has them."""
        self._texts = texts
        self._store = store
        self._reader = reader
        self._groups = groups
        self._reads = reads
        self._history = RecentHistory(store, reader, limits)
        self._limits = limits
        self._now_ms = now_ms
        self._bus = bus
        self.batcher: Batcher[OfferedText, int] = Batcher(self._record, BATCH_MAX, limits)
        self.positions: Batcher[StreamReader, StreamBounds] = Batcher(self._find_positions, POSITIONS_MAX, limits)
        self.batchers: Mapping[str, Batcher[Any, Any]] = {
            "messages": self.batcher,
            "positions": self.positions,
            "history": self._history.batcher,
        }

    async def say(self, user_id: int, group_id: int, text: str) -> int:
        """Post a text to a group; its number in the group's stream."""
        if not self._texts:
            raise RequestRefused(Reason.BACKEND_DECIDES)
        check_text("text", text, 1, self._limits.text_bytes_max, Reason.BAD_TEXT, HOSTILE_IN_LINES)
        group = await self._groups.seen_by(user_id, group_id)
        receiver_id = next(iter(group.members - {user_id})) if group.kind is GroupKind.DIRECT else 0
        return await self.batcher.submit(
            OfferedText(Post(group_id, user_id, self._now_ms(), text, None), receiver_id)
        )

    async def _record(self, texts: list[OfferedText]) -> list[int | Exception]:
        receivers = {place: text.receiver_id for place, text in enumerate(texts) if text.receiver_id}
        outcomes = await self._store.append([text.post for text in texts], receivers)
        return [self._conclude(text.post, outcome) for text, outcome in zip(texts, outcomes, strict=True)]

    def _conclude(self, post: Post, outcome: int | Barred) -> int | Exception:
        if isinstance(outcome, Barred):
            return RequestRefused(Reason(outcome))
        event = TextPost(post.stream_id, outcome, post.sender_id, post.at_ms, post.text or "")
        self._bus.publish(event, self._groups.members(post.stream_id))
        return outcome

    async def catch_up(self, user_id: int, stream_id: int, after: int) -> MissedPosts:
        """What came in one of the user's streams after message number `after`, and since they joined."""
        is_inbox = stream_id == user_id  # otherwise it must be one of their groups
        if not is_inbox:
            await self._must_see(user_id, stream_id)
        position = await self.positions.submit(StreamReader(stream_id, user_id))
        last, after = position.last_message, max(after, position.begins_at, 0)
        if not 0 <= last - after <= self._limits.reload_after_messages:
            return MissedPosts(last, reload=True, posts=())
        until = min(last, after + self._limits.catch_up_messages)
        if not is_inbox:
            return MissedPosts(last, reload=False, posts=await self._history.read(stream_id, after, until))
        async with self._reads.turn():  # only its owner reads it: nothing to keep
            rows = await self._store.after(stream_id, after, until - after)
            posts = await self._reader.read(first_of(rows))
        return MissedPosts(last, reload=False, posts=[KeptPost(post) for post in posts])

    async def _must_see(self, user_id: int, group_id: int) -> None:
        if self._groups.in_memory(user_id, group_id):
            return
        async with self._reads.turn():
            await self._groups.seen_by(user_id, group_id)

    async def _find_positions(self, readers: list[StreamReader]) -> list[StreamBounds]:
        return await self._store.positions(readers)

    async def last_message(self, group_id: int) -> int:
        """The number of the last message of a group."""
        return await self._store.last(group_id)
