"""The chat backend's requests: which users exist, who is banned, which groups exist and who is in them.

Only user 0 may ask them. All are idempotent: again with the same content changes nothing. Versions of memberships
are numbers of the backend's own that grow, for example its clock in milliseconds. SyncMembers can forget them.

`known_only`: a request that names a user whom the server does not know is refused with no_such_user, and changes
nothing. Without it, users who are banned or put into a group are known from then on.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from protocol.messages.base import MEMBERS_MAX, Id, Message, Person, UserId

__all__ = [
    "BanUser",
    "ChangeMembers",
    "ChatPut",
    "DeleteGroup",
    "GroupDeleted",
    "GroupPut",
    "MembersChanged",
    "MembersSynced",
    "PutChat",
    "PutGroup",
    "PutUsers",
    "RevokeTokens",
    "SyncMembers",
    "TokensRevoked",
    "UserBanned",
    "UserLine",
    "UsersPut",
]
VERSION_MAX = 2**62  # a counter or a clock in any unit stays below; the largest integer of a language does not
FRESH_START = 0  # in place of a version
Version = Annotated[int, Meta(ge=1, le=VERSION_MAX)]
SYNCED_MAX = 100_000


class UserLine(msgspec.Struct, array_like=True, gc=False):
    """A user, and the name that others see; "": none."""

    user_id: Person
    name: str = ""


class PutUsers(Message, tag=37):
    """These users exist and are called so."""

    users: Annotated[list[UserLine], Meta(max_length=MEMBERS_MAX)]


class UsersPut(Message, tag=137):
    """How many users were put."""

    users: int


class BanUser(Message, tag=38):
    """End all connections of a user and refuse their logins; `banned` false: let them in again."""

    user_id: Person
    banned: bool = True
    known_only: bool = False


class UserBanned(Message, tag=138):
    user_id: int
    banned: bool


class RevokeTokens(Message, tag=39):
    """End all connections of a user and refuse the tokens that they have."""

    user_id: Person
    known_only: bool = False


class TokensRevoked(Message, tag=139):
    """Tokens of the user are accepted if they were issued at `tokens_from_s` or later, none of version 1."""

    user_id: int
    tokens_from_s: int


class PutGroup(Message, tag=40):
    """A group under the backend's own id (1 to 64 bytes), made or changed. `owner_id` 0: no user owns it.

    `audience`: "members" (a member list, kept by SyncMembers and ChangeMembers) or "signature" (no list: users
    show a pass that the backend signed). It cannot be changed later.
    """

    external_id: str
    name: str
    owner_id: UserId = 0
    audience: str = "members"
    known_only: bool = False  # of the owner


class GroupPut(Message, tag=140):
    group_id: int


class DeleteGroup(Message, tag=49):
    """The group under this id of the backend's has no members from now on, and never will. Again is harmless."""

    external_id: str


class GroupDeleted(Message, tag=149):
    group_id: int


class SyncMembers(Message, tag=41):
    """The whole member list of a group as it is at `version`; newer changes of single members stay.

    `version` 0 is a fresh start: the list holds whatever was recorded, and every version of the group is forgotten.
    """

    group_id: Id
    version: Annotated[int, Meta(ge=FRESH_START, le=VERSION_MAX)]
    user_ids: Annotated[list[Person], Meta(max_length=SYNCED_MAX)]
    known_only: bool = False


class MembersSynced(Message, tag=141):
    """How many joined and left by it, and how many members the group has now."""

    group_id: int
    joined: int
    left: int
    members: int


class ChangeMembers(Message, tag=42):
    """Members who came and went at `version`. What is recorded of a member at a later version stays."""

    group_id: Id
    version: Version
    joined: Annotated[list[Person], Meta(max_length=MEMBERS_MAX)]
    left: Annotated[list[Person], Meta(max_length=MEMBERS_MAX)] = msgspec.field(default_factory=list)
    known_only: bool = False


class MembersChanged(Message, tag=142):
    """As MembersSynced."""

    group_id: int
    joined: int
    left: int
    members: int


class PutChat(Message, tag=46):
    """The one-to-one chat of two users; made if there is none yet."""

    user_id: Person
    other_id: Person


class ChatPut(Message, tag=146):
    stream_id: int
