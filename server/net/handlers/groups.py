"""Requests of users on groups."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from protocol import messages, passes
from protocol.messages import MEMBERS_MAX, Message
from server.core.refusals import Reason, RequestRefused
from server.net.session import Session
from server.services.assembly import Services
from server.services.chat.passes import ShownPass

PassTold: TypeAlias = Callable[[int, int], Awaitable[None]]


class GroupHandlers:
    """Make, join, leave, invite, remove a member, list members."""

    def __init__(self, services: Services, pass_told: PassTold) -> None:
        """`pass_told` returns once other servers know the pass of a user to a group."""
        self._pass_told = pass_told
        self._groups, self._membership = services.groups, services.membership
        self._chats, self._passes = services.chats, services.passes
        self._messages, self._names, self._people = services.messages, services.names, services.people

    def served(self) -> dict[type[Message], Callable[[Session, Any], Awaitable[Message]]]:
        """What serves each request, but the list of members: that is charged as a read."""
        return {
            messages.CreateGroup: self.create,
            messages.JoinGroup: self.join,
            messages.LeaveGroup: self.leave,
            messages.Kick: self.remove_member,
            messages.GetInvite: self.invite,
            messages.OpenChat: self.open_chat,
            messages.ShowPass: self.show_pass,
        }

    async def create(self, session: Session, request: messages.CreateGroup) -> Message:
        return messages.GroupCreated(0, await self._membership.create(session.user_id, request.name))

    async def join(self, session: Session, request: messages.JoinGroup) -> Message:
        group = await self._membership.join(session.user_id, request.group_id, request.invite)
        last = await self._messages.last_message(group.group_id)
        return messages.GroupJoined(0, group.group_id, group.name, group.owner_id, last)

    async def leave(self, session: Session, request: messages.LeaveGroup) -> Message:
        await self._membership.leave(session.user_id, request.group_id)
        return messages.GroupLeft(0, request.group_id)

    async def invite(self, session: Session, request: messages.GetInvite) -> Message:
        code = await self._membership.invite(session.user_id, request.group_id, request.renew)
        return messages.Invite(0, request.group_id, code)

    async def open_chat(self, session: Session, request: messages.OpenChat) -> Message:
        stream_id = await self._chats.open(session.user_id, request.user_id)
        return messages.ChatOpened(0, stream_id, request.user_id, await self._messages.last_message(stream_id))

    async def show_pass(self, session: Session, request: messages.ShowPass) -> Message:
        try:
            shown = passes.parse(request.signed)
        except passes.BadPass as error:
            raise RequestRefused(Reason.BAD_PASS, str(error)) from None

        def expected(key: bytes) -> bytes:
            return passes.mint(*shown[:4], key, shown.issued_at_s).mac

        until_s = await self._passes.show(session.user_id, ShownPass(*shown), expected)
        await self._pass_told(session.user_id, shown.group_id)
        return messages.PassShown(0, shown.group_id, until_s)

    async def remove_member(self, session: Session, request: messages.Kick) -> Message:
        await self._membership.remove_member(session.user_id, request.group_id, request.user_id)
        return messages.Kicked(0, request.group_id, request.user_id)

    async def members(self, session: Session, request: messages.ListMembers) -> Message:
        group = await self._groups.seen_by(session.user_id, request.group_id)
        found = await self._groups.page(group, request.after_user_id, MEMBERS_MAX + 1)
        user_ids, more = found[:MEMBERS_MAX], len(found) > MEMBERS_MAX
        names_of = await self._names.of(user_ids)
        wanted = user_ids if messages.AVATARS in session.features else []
        avatar_urls = await self._people.avatar_urls(wanted) if wanted else []
        return messages.Members(0, group.group_id, group.owner_id, user_ids, names_of, more, avatar_urls)
