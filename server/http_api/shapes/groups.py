"""Requests and replies on groups and chats."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from protocol.messages.base import MEMBERS_MAX
from protocol.messages.people import SYNCED_MAX
from server.core.everyday.relay import OFF, TIMES_MAX
from server.http_api.numbers import UserId
from server.http_api.shapes.base import (
    GroupText,
    IdText,
    Reply,
    Request,
    SyncVersion,
    Version,
)


class GroupBody(Request):
    """A group, made or changed. `audience`: a member list, or users who show a pass; it cannot be changed."""

    name: str
    owner_id: UserId | UnsetType = UNSET
    audience: Literal["members", "signature"] = "members"


class GroupPutReply(Reply):
    """The group and its id in hongbao."""

    group: GroupText
    group_id: IdText


class GroupDeletedReply(Reply):
    """The group is deleted: it has no members, and its id is not used again."""

    group: GroupText
    group_id: IdText


class GroupReply(Reply):
    """A group. No `owner_id`: no user owns it."""

    group: GroupText
    group_id: IdText
    name: str
    audience: Literal["members", "signature"]
    members: int
    owner_id: IdText | UnsetType = UNSET


class RelayBody(Request):
    """The user with the best luck is reminded to send the next packet, so many times the best share; 0: none."""

    times: Annotated[int, Meta(ge=OFF, le=TIMES_MAX)]


class RelayReply(Reply):
    """The relay of a group. `times` 0: the group has none."""

    group: GroupText
    group_id: IdText
    times: int


class MemberBody(Request):
    """The version at which the user joined."""

    version: Version


class MemberDeleteQuery(Request):
    """The version at which the user left."""

    version: Version


class MembersSyncBody(Request):
    """All members of a group at a version; newer changes of single members stay."""

    version: SyncVersion
    user_ids: Annotated[list[UserId], Meta(max_length=SYNCED_MAX)]


class MembersChangeBody(Request):
    """Members who joined and left at a version. What is recorded of a member at a later version stays."""

    version: Version
    joined: Annotated[list[UserId], Meta(max_length=MEMBERS_MAX)] = msgspec.field(default_factory=list)
    left: Annotated[list[UserId], Meta(max_length=MEMBERS_MAX)] = msgspec.field(default_factory=list)


class MembersReply(Reply):
    """How many joined and left by it, and how many members the group has now."""

    group_id: IdText
    joined: int
    left: int
    members: int


class MemberPageReply(Reply):
    """Members by their ids. `next_cursor` is there if there are more."""

    group_id: IdText
    user_ids: list[IdText]
    next_cursor: str | UnsetType = UNSET


class ChatReply(Reply):
    """The one-to-one chat of two users; a personal packet may be sent to its id."""

    chat_id: IdText
