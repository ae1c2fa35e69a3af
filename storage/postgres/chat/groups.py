"""Groups and their members as they are read: whole, or what changed after a version; what a user finds at login."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.postgres.chat import users
from storage.postgres.chat.users import AccessRow
from storage.postgres.money.wallets import HoldingRow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)


class GroupKind(StrEnum):
    """How a group has members; the values are those of the records."""

    GROUP = "group"  # a list
    SIGNED = "signed"  # no list: users show passes
    DIRECT = "direct"  # two users, for good


class GroupRow(NamedTuple):
    """A group and its members at a version."""

    group_id: int
    name: str
    owner_id: int
    members: set[int]
    kind: GroupKind = GroupKind.GROUP
    version: int = 0
    is_deleted: bool = False


class MemberChange(NamedTuple):
    """The standing of a user whose membership changed; `by_other`: the user did not change it."""

    user_id: int
    is_in: bool
    by_other: bool


class GroupChanges(NamedTuple):
    """A group at a version, and whose membership changed."""

    version: int
    name: str
    owner_id: int
    kind: GroupKind
    last_message: int
    members: list[MemberChange]
    is_deleted: bool = False


class ListedGroupRow(NamedTuple):
    """A group and the number of its members; `external_id` is empty if a user made it."""

    group_id: int
    external_id: str
    kind: GroupKind
    name: str
    owner_id: int
    members: int


class StreamPositionRow(NamedTuple):
    """Where one of a user's streams stands; their inbox bears the user's own id."""

    stream_id: int
    name: str
    owner_id: int
    last_message: int


class ProfileRow(NamedTuple):
    """What a user finds on logging in, and whether they may; `access` is None for an unknown user."""

    holding: HoldingRow
    streams: list[StreamPositionRow]
    access: AccessRow | None


class GroupStore:
    """Statements that read groups."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._logins = database.writer(reads=True)  # cheaper than the pool, and never behind other reads

    async def load(self, group_ids: Sequence[int]) -> list[GroupRow]:
        """The groups that exist, with their members, as of one moment."""
        async with self._one_moment() as connection:
            rows = await connection.fetch(_SQL["load"], group_ids)
            members = await connection.fetch(_SQL["members"], group_ids)
        groups = {
            group_id: GroupRow(group_id, name, owner_id, set(), GroupKind(kind), version, is_deleted)
            for group_id, name, owner_id, kind, version, is_deleted in rows
        }
        for group_id, user_id in members:
            groups[group_id].members.add(user_id)
        return list(groups.values())

    async def changes(self, group_id: int, after_version: int) -> GroupChanges | None:
        """The group, and the members who changed after a version, as of one moment; None: no such group."""
        async with self._one_moment() as connection:
            group = await connection.fetchrow(_SQL["group"], group_id)
            rows = await connection.fetch(_SQL["changes"], group_id, after_version) if group else []
        if group is None:
            return None
        version, name, owner_id, kind, last_message, is_deleted = group
        members = [MemberChange(*row) for row in rows]
        return GroupChanges(version, name, owner_id, GroupKind(kind), last_message or 0, members, is_deleted)

    async def versions(self, group_ids: Sequence[int]) -> dict[int, int]:
        """The versions of the groups that exist."""
        async with self._database.reading() as connection:
            return {
                row["group_id"]: row["members_version"]
                for row in await connection.fetch(_SQL["versions"], group_ids)
            }

    async def version_of_member(self, group_id: int, user_id: int) -> int | None:
        """The version of a group that the user is in; None: the user is not in it, or there is no such group."""
        async with self._database.reading() as connection:
            version: int | None = await connection.fetchval(_SQL["version_of_member"], group_id, user_id)
        return version

    async def page(self, group_id: int, after_user_id: int, most: int) -> list[int]:
        """Members of a group by their ids, those after one of them."""
        async with self._database.reading() as connection:
            return [row[0] for row in await connection.fetch(_SQL["page"], group_id, after_user_id, most)]

    async def newest(self, most: int) -> list[ListedGroupRow]:
        """The newest groups and one-to-one chats."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["newest"], most)
        return [ListedGroupRow(one, other, GroupKind(kind), *rest) for one, other, kind, *rest in rows]

    async def profiles(self, user_ids: Sequence[int]) -> dict[int, ProfileRow]:
        """Wallets, streams and access of users, all in two statements."""
        async with self._logins.alone() as connection:
            found = await users.at_login(connection, user_ids)
            rows = await connection.fetch(_SQL["streams"], user_ids)
        profiles = {user_id: ProfileRow(holding, [], access) for user_id, (holding, access) in found.items()}
        for user_id, *position in rows:
            profiles[user_id].streams.append(StreamPositionRow(*position))
        return profiles

    @asynccontextmanager
    async def _one_moment(self) -> AsyncIterator[Connection]:
        async with (
            self._database.reading() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection
