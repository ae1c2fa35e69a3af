"""One-to-one chats: two users, a stream of texts and personal packets. Both stay in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from server.core.ids import IdMaker
from server.core.limits import Limits
from server.core.refusals import Reason, RequestRefused
from server.services.chat.groups import GroupService
from storage.postgres.chat.chats import ChatStore, NoSuchUser
from storage.postgres.chat.groups import GroupKind
from storage.postgres.chat.memberships import TooManyGroups


class ChatTarget(NamedTuple):
    """Whom a personal packet to a target is for, and the chat that it is posted in; 0: in the inboxes."""

    receiver_id: int
    chat_id: int = 0


class ChatService:
    """Use cases on one-to-one chats. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        store: ChatStore,
        groups: GroupService,
        limits: Limits,
        ids: IdMaker,
        now_ms: Callable[[], int],
        self_service: bool,
    ) -> None:
        self._store = store
        self._groups = groups
        self._limits = limits
        self._ids = ids
        self._now_ms = now_ms
        self._self_service = self_service

    async def open(self, user_id: int, other_id: int) -> int:
        """The chat of a user with another one, made if there is none; the id of its stream."""
        if not self._self_service:
            raise RequestRefused(Reason.BACKEND_DECIDES)
        _check_pair(user_id, other_id)
        now_ms, most = self._now_ms(), self._limits.groups_of_user_max
        try:
            made = await self._groups.recorded(
                self._store.open(self._ids.next(now_ms), user_id, other_id, now_ms, most)
            )
        except NoSuchUser:
            raise RequestRefused(Reason.NO_SUCH_USER) from None
        except TooManyGroups:
            raise RequestRefused(Reason.TOO_MANY_GROUPS, f"{most} one-to-one chats") from None
        return made.group_id

    async def put(self, user_id: int, other_id: int) -> int:
        """The chat of two users, made for the backend if there is none; the id of its stream."""
        _check_pair(user_id, other_id)
        now_ms = self._now_ms()
        made = await self._groups.recorded(self._store.put(self._ids.next(now_ms), user_id, other_id, now_ms))
        return made.group_id

    async def target(self, sender_id: int, chat_id: int) -> ChatTarget:
        """The other user of a chat."""
        group = await self._groups.seen_by(sender_id, chat_id)
        if group.kind is not GroupKind.DIRECT:
            raise RequestRefused(Reason.BAD_TARGET, "target_id: personal goes to a user or a one-to-one chat")
        (other,) = group.members - {sender_id}
        return ChatTarget(other, chat_id)


def _check_pair(one: int, other: int) -> None:
    if one == other:
        raise RequestRefused(Reason.BAD_TARGET, "user_id: a chat has two users")
