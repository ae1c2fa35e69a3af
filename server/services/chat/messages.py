"""Texts to groups, and catching up on what one missed. Texts are recorded in natural batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from server.core.limits import HOSTILE_IN_LINES, Limits, check_text
from server.core.refusals import Reason, RequestRefused
from server.services.chat.groups import GroupService
from server.services.chat.posts import PostReader, first_of
from server.services.runtime.batching import Batcher
from server.services.runtime.bus import Bus
from server.services.runtime.events import Posted, TextPost
from storage.postgres.chat.groups import GroupKind
from storage.postgres.chat.messages import MessageStore, Post
from storage.postgres.chat.users import Barred

BATCH_MAX = 500


class MissedPosts(NamedTuple):
    """The messages asked for, oldest first. `reload`: too many were missed to tell them one by one."""

    last_message: int
    reload: bool
    posts: Sequence[Posted]


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
        limits: Limits,
        now_ms: Callable[[], int],
        bus: Bus,
    ) -> None:
        self._store = store
        self._reader = reader
        self._groups = groups
        self._limits = limits
        self._now_ms = now_ms
        self._bus = bus
        self.batcher: Batcher[OfferedText, int] = Batcher(self._record, BATCH_MAX, limits)

    async def say(self, user_id: int, group_id: int, text: str) -> int:
        """Post a text to a group; its number in the group's stream."""
        check_text(text, 1, self._limits.text_bytes_max, Reason.BAD_TEXT, HOSTILE_IN_LINES)
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
        if stream_id != user_id:  # not the user's own inbox, so it must be one of their groups
            await self._groups.seen_by(user_id, stream_id)
        most = self._limits.catch_up_messages
        last, after, messages = await self._store.after(stream_id, max(after, 0), most, user_id)
        if not 0 <= last - after <= self._limits.reload_after_messages:
            return MissedPosts(last, reload=True, posts=())
        return MissedPosts(last, reload=False, posts=await self._reader.read(first_of(messages)))

    async def last_message(self, group_id: int) -> int:
        """The number of the last message of a group."""
        return await self._store.last(group_id)
