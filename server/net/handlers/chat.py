"""Requests on groups, names and texts."""

from __future__ import annotations

from protocol import messages
from protocol.messages import Message
from server.net.reminder_encoding import caught_up
from server.net.session import Session
from server.services.assembly import Services


class ChatHandlers:
    """Groups, names, texts, catching up."""

    def __init__(self, services: Services) -> None:
        self._groups, self._messages = services.groups, services.messages
        self._names, self._grab_stats = services.names, services.grab_stats

    async def create_group(self, session: Session, request: messages.CreateGroup) -> Message:
        return messages.GroupCreated(0, await self._groups.create(session.user_id, request.name))

    async def join_group(self, session: Session, request: messages.JoinGroup) -> Message:
        group = await self._groups.join(session.user_id, request.group_id)
        last = await self._messages.last_message(group.group_id)
        return messages.GroupJoined(0, group.group_id, group.name, group.owner_id, last)

    async def leave_group(self, session: Session, request: messages.LeaveGroup) -> Message:
        await self._groups.leave(session.user_id, request.group_id)
        return messages.GroupLeft(0, request.group_id)

    async def kick(self, session: Session, request: messages.Kick) -> Message:
        await self._groups.remove_member(session.user_id, request.group_id, request.user_id)
        return messages.Kicked(0, request.group_id, request.user_id)

    async def members(self, session: Session, request: messages.ListMembers) -> Message:
        group = await self._groups.seen_by(session.user_id, request.group_id)
        user_ids = sorted(group.members)
        names_of = await self._names.of(user_ids)
        return messages.Members(0, group.group_id, group.owner_id, user_ids, names_of)

    async def grab_stats(self, session: Session, request: messages.GrabStats) -> Message:
        lines = await self._grab_stats.of_group(session.user_id, request.group_id)
        names_of = await self._names.of([line.user_id for line in lines])
        shown = [
            messages.GrabStatLine(line.user_id, name, *line[1:]) for line, name in zip(lines, names_of, strict=True)
        ]
        return messages.GrabStatsShown(0, request.group_id, shown)

    async def set_name(self, session: Session, request: messages.SetName) -> Message:
        await self._names.call(session.user_id, request.name)
        return messages.NameSet(0, request.name)

    async def get_names(self, session: Session, request: messages.GetNames) -> Message:
        return messages.Names(0, await self._names.of(request.user_ids))

    async def say(self, session: Session, request: messages.Say) -> Message:
        number = await self._messages.say(session.user_id, request.group_id, request.text)
        return messages.Said(0, request.group_id, number)

    async def catch_up(self, session: Session, request: messages.CatchUp) -> Message:
        found = await self._messages.catch_up(session.user_id, request.stream_id, request.after)
        posts = [caught_up(post, session.features) for post in found.posts]
        return messages.CaughtUp(0, request.stream_id, found.last_message, found.reload, posts)
