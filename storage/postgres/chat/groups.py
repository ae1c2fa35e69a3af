"""Groups, who is in them, and what a user finds on logging in."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.postgres.chat import users
from storage.postgres.chat.users import AccessRow
from storage.postgres.money.wallets import HoldingRow

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)


class GroupRow(NamedTuple):
    """A group and its members."""

    group_id: int
    name: str
    owner_id: int
    members: set[int]


class Standing(StrEnum):
    """The standing of a user in a group that they are or were in."""

    IN = "in"
    LEFT = "left"
    KICKED = "kicked"


class MemberRow(NamedTuple):
    """A user's standing in a group."""

    group_id: int
    user_id: int
    standing: Standing


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


class GroupFull(Exception):
    """The group has as many members as it may have."""


class WasKicked(Exception):
    """The owner removed the user from the group."""


class TooManyGroups(Exception):
    """The user is in as many groups as one user may be."""


class GroupStore:
    """Statements on groups."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, group_id: int, name: str, owner_id: int, now_ms: int, groups_max: int) -> None:
        """A new group with its owner as the first member. Raises TooManyGroups."""
        async with self._database.transaction() as connection:
            await _check_groups(connection, owner_id, group_id, groups_max)
            await connection.execute(_SQL["create"], group_id, name, owner_id, now_ms)
            await connection.execute(_SQL["join"], group_id, owner_id, now_ms)

    async def join(self, group_id: int, user_id: int, now_ms: int, members_max: int, groups_max: int) -> None:
        """Make a user a member; again is harmless. Raises GroupFull, TooManyGroups, WasKicked."""
        async with self._database.transaction() as connection:
            await _check_groups(connection, user_id, group_id, groups_max)
            await connection.execute(_SQL["lock"], group_id)  # two who join at once are counted one by one
            if await connection.fetchval(_SQL["was_kicked"], group_id, user_id):
                raise WasKicked
            if await connection.fetchval(_SQL["count"], group_id, user_id) >= members_max:
                raise GroupFull
            await connection.execute(_SQL["join"], group_id, user_id, now_ms)

    async def leave(self, group_id: int, user_id: int, now_ms: int) -> None:
        """End a membership; again is harmless."""
        async with self._database.reading() as connection:
            await connection.execute(_SQL["leave"], group_id, user_id, now_ms)

    async def remove_member(self, group_id: int, user_id: int, now_ms: int) -> bool:
        """End a membership for good; again is harmless. False if there never was one."""
        async with self._database.transaction() as connection:
            await connection.execute(
                _SQL["lock"], group_id
            )  # who joins at the same time is in before, or not at all
            return await connection.fetchval(_SQL["remove_member"], group_id, user_id, now_ms) is not None

    async def find_outcome(self, changes: Sequence[MemberRow]) -> list[MemberRow | None]:
        """Which of these standings are recorded; None: another one is."""
        group_ids, user_ids = [one.group_id for one in changes], [one.user_id for one in changes]
        async with self._database.reading() as connection:
            found = {tuple(row) for row in await connection.fetch(_SQL["find_outcome"], group_ids, user_ids)}
        return [one if one in found else None for one in changes]

    async def load(self, group_ids: Sequence[int]) -> list[GroupRow]:
        """The groups that exist, with their members."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["load"], group_ids)
            members = await connection.fetch(_SQL["members"], group_ids)
        groups = {row["group_id"]: GroupRow(row["group_id"], row["name"], row["owner_id"], set()) for row in rows}
        for row in members:
            groups[row["group_id"]].members.add(row["user_id"])
        return list(groups.values())

    async def profiles(self, user_ids: Sequence[int]) -> dict[int, ProfileRow]:
        """Wallets, streams and access of users, all in two statements."""
        async with self._database.reading() as connection:
            found = await users.at_login(connection, user_ids)
            rows = await connection.fetch(_SQL["streams"], user_ids)
        profiles = {user_id: ProfileRow(holding, [], access) for user_id, (holding, access) in found.items()}
        for row in rows:
            position = StreamPositionRow(row["stream_id"], row["name"], row["owner_id"], row["last_message"])
            profiles[row["user_id"]].streams.append(position)
        return profiles


async def _check_groups(connection: Connection, user_id: int, group_id: int, groups_max: int) -> None:
    """A user's groups are told in one welcome, so there must not be any number of them."""
    if await connection.fetchval(_SQL["groups_of"], user_id, group_id) >= groups_max:
        raise TooManyGroups
