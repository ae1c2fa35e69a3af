"""Requests on groups, their members, and one-to-one chats."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET

from protocol.codes import Refusal
from protocol.messages import MEMBERS_MAX
from server.http_api.handlers.call import Call, Gate, cursor_number
from server.http_api.problems import Problem
from server.http_api.shapes import groups as shapes
from server.services.assembly import Services
from server.services.chat.backend_groups import audience_of
from server.services.chat.groups import Group

NO_OWNER: Final = 0


class GroupRequests:
    """Groups under the ids of the chat backend."""

    def __init__(self, services: Services, gate: Gate) -> None:
        self._backend, self._groups = services.backend_groups, services.groups
        self._chats, self._reads = services.chats, services.reads
        self._relay = services.everyday.relay
        self._gate = gate

    async def put(self, call: Call) -> shapes.GroupPutReply:
        """Make a group, or change its name and its owner"""
        group, body = call.path["group"], call.body
        owner_id = NO_OWNER if body.owner_id is UNSET else body.owner_id
        group_id = await self._backend.put(group, body.name, owner_id, body.audience)
        return shapes.GroupPutReply(group, str(group_id))

    async def get(self, call: Call) -> shapes.GroupReply:
        """A group"""
        found = await self._found(call)
        return shapes.GroupReply(
            call.path["group"],
            str(found.group_id),
            found.name,
            audience_of(found),
            len(found.members),
            UNSET if found.owner_id == NO_OWNER else str(found.owner_id),
        )

    async def delete(self, call: Call) -> shapes.GroupDeletedReply:
        """Delete a group for good: its members are out, its open packets are refunded when they expire"""
        group_id = await self._backend.id_of(call.path["group"])
        await self._backend.delete(group_id)
        return shapes.GroupDeletedReply(call.path["group"], str(group_id))

    async def put_relay(self, call: Call) -> shapes.RelayReply:
        """Remind the best luck of each lucky packet to send the next one, or stop that; no money moves"""
        self._gate.check_current()
        group_id = await self._backend.id_of(call.path["group"])
        await self._relay.set_by_backend(group_id, call.body.times)
        return shapes.RelayReply(call.path["group"], str(group_id), call.body.times)

    async def get_relay(self, call: Call) -> shapes.RelayReply:
        """The relay of a group"""
        group_id = await self._backend.id_of(call.path["group"])
        return shapes.RelayReply(call.path["group"], str(group_id), await self._relay.of_group(group_id))

    async def members(self, call: Call) -> shapes.MemberPageReply:
        """The members of a group, in pages"""
        after = cursor_number(call.query.cursor)
        found = await self._found(call)
        async with self._reads.turn():
            user_ids = await self._groups.page(found, after, MEMBERS_MAX + 1)
        page, more = user_ids[:MEMBERS_MAX], len(user_ids) > MEMBERS_MAX
        texts = [str(user_id) for user_id in page]
        return shapes.MemberPageReply(str(found.group_id), texts, texts[-1] if more else UNSET)

    async def sync(self, call: Call) -> shapes.MembersReply:
        """Say who all the members are; newer changes of single members stay"""
        group_id = await self._backend.id_of(call.path["group"])
        return _changed(*await self._backend.sync(group_id, call.body.version, call.body.user_ids))

    async def change(self, call: Call) -> shapes.MembersReply:
        """Members who joined and left"""
        return await self._change(call, call.body.version, call.body.joined, call.body.left)

    async def put_member(self, call: Call) -> shapes.MembersReply:
        """A user is a member"""
        return await self._change(call, call.body.version, [call.path["user_id"]], [])

    async def delete_member(self, call: Call) -> shapes.MembersReply:
        """A user is no member"""
        return await self._change(call, call.query.version, [], [call.path["user_id"]])

    async def put_chat(self, call: Call) -> shapes.ChatReply:
        """The one-to-one chat of two users, made if there is none yet"""
        return shapes.ChatReply(str(await self._chats.put(call.path["user_id"], call.path["other_id"])))

    async def _found(self, call: Call) -> Group:
        self._gate.check_current()
        group = await self._groups.find(await self._backend.id_of(call.path["group"]))
        if group is None or group.is_deleted:
            raise Problem(Refusal.NO_SUCH_GROUP)
        return group

    async def _change(self, call: Call, version: int, joined: list[int], left: list[int]) -> shapes.MembersReply:
        group_id = await self._backend.id_of(call.path["group"])
        return _changed(*await self._backend.change(group_id, version, joined, left))


def _changed(group_id: int, version: int, joined: int, left: int, members: int) -> shapes.MembersReply:
    return shapes.MembersReply(str(group_id), joined, left, members)
