"""Requests of the chat backend on groups."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from protocol import messages
from protocol.messages import Message
from server.net.session import Session
from server.services.assembly import Services


class BackendHandlers:
    """Groups and their members, as the backend has them."""

    def __init__(self, services: Services) -> None:
        self._groups, self._chats = services.backend_groups, services.chats
        self._people = services.people

    def served(self) -> dict[type[Message], Callable[[Session, Any], Awaitable[Message]]]:
        """What serves each request."""
        return {
            messages.PutGroup: self.put_group,
            messages.DeleteGroup: self.delete_group,
            messages.SyncMembers: self.sync_members,
            messages.PutChat: self.put_chat,
            messages.ChangeMembers: self.change_members,
        }

    async def put_group(self, session: Session, request: messages.PutGroup) -> Message:
        if request.known_only and request.owner_id:
            await self._people.check_known([request.owner_id])
        group = request.external_id, request.name, request.owner_id, request.audience
        return messages.GroupPut(0, await self._groups.put(*group))

    async def delete_group(self, session: Session, request: messages.DeleteGroup) -> Message:
        group_id = await self._groups.id_of(request.external_id)
        await self._groups.delete(group_id)
        return messages.GroupDeleted(0, group_id)

    async def put_chat(self, session: Session, request: messages.PutChat) -> Message:
        return messages.ChatPut(0, await self._chats.put(request.user_id, request.other_id))

    async def sync_members(self, session: Session, request: messages.SyncMembers) -> Message:
        if request.known_only:
            await self._people.check_known(request.user_ids)
        made = await self._groups.sync(request.group_id, request.version, request.user_ids)
        return messages.MembersSynced(0, made.group_id, made.joined, made.left, made.members)

    async def change_members(self, session: Session, request: messages.ChangeMembers) -> Message:
        if request.known_only:
            await self._people.check_known([*request.joined, *request.left])
        made = await self._groups.change(request.group_id, request.version, request.joined, request.left)
        return messages.MembersChanged(0, made.group_id, made.joined, made.left, made.members)
