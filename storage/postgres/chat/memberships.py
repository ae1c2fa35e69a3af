"""What users change about groups: make one, join by its invite code, leave, remove a member.

Limits are decided under locks in the transaction of the change: the user's row first, then the group's.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.postgres.chat import users
from storage.postgres.chat.groups import GroupKind

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)


class GroupFull(Exception):
    """The group has as many members as it may have."""


class WasKicked(Exception):
    """The owner removed the user from the group."""


class TooManyGroups(Exception):
    """The user is in as many groups as one user may be."""


class OwnerStays(Exception):
    """The owner of a group cannot leave it."""


class PairStays(Exception):
    """Both users of a one-to-one chat stay in it."""


class WrongInvite(Exception):
    """No group has this invite code, or it is not that group's."""


class Recorded(NamedTuple):
    """A change that is recorded, or that changed nothing: the group's version is at least this."""

    group_id: int
    version: int


class MembershipStore:
    """Statements on memberships, one transaction each. Again is harmless."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, group_id: int, name: str, owner_id: int, now_ms: int, groups_max: int) -> Recorded:
        """A new group with its owner as the first member. Raises TooManyGroups."""
        async with self._database.transaction() as connection:
            await lock_user(connection, owner_id)
            await _check_groups(connection, owner_id, group_id, groups_max)
            await connection.execute(_SQL["create"], group_id, name, owner_id, now_ms)
            await connection.execute(_SQL["join"], group_id, owner_id, now_ms, 1)
        return Recorded(group_id, 1)

    async def join(
        self, group_id: int, user_id: int, invite: str, now_ms: int, members_max: int, groups_max: int
    ) -> Recorded:
        """Make a user a member who has the invite code. Raises GroupFull, TooManyGroups, WasKicked, WrongInvite."""
        async with self._database.transaction() as connection:
            is_in, version = await _check_invite(connection, group_id, user_id, invite)
            if is_in:
                return Recorded(group_id, version)
            await lock_user(connection, user_id)
            await connection.execute(_SQL["lock"], group_id)
            is_in, version = await _check_invite(connection, group_id, user_id, invite)  # as it is under the lock
            if is_in:
                return Recorded(group_id, version)
            await _check_groups(connection, user_id, group_id, groups_max)
            if await connection.fetchval(_SQL["count"], group_id, user_id) >= members_max:
                raise GroupFull
            await connection.execute(_SQL["join"], group_id, user_id, now_ms, version + 1)
            await connection.execute(_SQL["advance"], group_id, version + 1)
        return Recorded(group_id, version + 1)

    async def invited_to(self, invite: str) -> int:
        """The group that an invite code belongs to. Raises WrongInvite."""
        async with self._database.reading() as connection:
            group_id: int | None = await connection.fetchval(_SQL["invited_to"], invite)
        if group_id is None:
            raise WrongInvite
        return group_id

    async def leave(self, group_id: int, user_id: int, now_ms: int) -> Recorded | None:
        """End a membership, or find that it has ended; None if there never was one. Raises OwnerStays, PairStays.

        The user's own row is locked first: a joining of theirs whose outcome is unknown has ended then. The row of
        the group is locked for members only.
        """
        async with self._database.transaction() as connection:
            await lock_user(connection, user_id)
            if not await connection.fetchval(_SQL["is_member"], group_id, user_id):
                version = await connection.fetchval(_SQL["left_at_version"], group_id, user_id)
                return None if version is None else Recorded(group_id, version)
            group = await connection.fetchrow(_SQL["lock_to_leave"], group_id)
            assert group is not None
            version, owner_id, kind = group
            if owner_id == user_id:
                raise OwnerStays
            if kind == GroupKind.DIRECT:
                raise PairStays
            if await connection.fetchval(_SQL["leave"], group_id, user_id, now_ms, version + 1):
                version += 1
                await connection.execute(_SQL["advance"], group_id, version)
        return Recorded(group_id, version)

    async def remove_member(self, group_id: int, user_id: int, now_ms: int) -> Recorded | None:
        """End a membership for good; None if there never was one."""
        async with self._database.transaction() as connection:
            # a user who joins at the same time is in before, or not at all
            version: int = await connection.fetchval(_SQL["lock"], group_id)
            if not await connection.fetchval(_SQL["was_member"], group_id, user_id):
                return None
            if await connection.fetchval(_SQL["remove_member"], group_id, user_id, now_ms, version + 1):
                version += 1
                await connection.execute(_SQL["advance"], group_id, version)
        return Recorded(group_id, version)

    async def invite(self, group_id: int, fresh: str, renew: bool) -> str:
        """The invite code of a group; `fresh` from now on, if it has none or is to be renewed."""
        async with self._database.reading() as connection:
            code: str | None = None if renew else await connection.fetchval(_SQL["invite"], group_id)
            return code or await connection.fetchval(_SQL["put_invite"], group_id, fresh, renew)


async def lock_user(connection: Connection, user_id: int) -> None:
    """Hold the row of a user, who is known from now on: what is counted per user is counted one by one."""
    if await connection.fetchval(_SQL["lock_user"], user_id) is None:
        await users.know(connection, [user_id])
        await connection.fetchval(_SQL["lock_user"], user_id)


async def _check_invite(connection: Connection, group_id: int, user_id: int, invite: str) -> tuple[bool, int]:
    """Whether the user is in, and the group's version. Raises WrongInvite; WasKicked only with the right code."""
    row = await connection.fetchrow(_SQL["invited"], group_id, user_id)
    if row is None:
        raise WrongInvite
    code, version, is_in, was_kicked = row
    if is_in:
        return True, version
    if not code or not hmac.compare_digest(code.encode(), invite.encode()):
        raise WrongInvite
    if was_kicked:
        raise WasKicked
    return False, version


async def _check_groups(connection: Connection, user_id: int, group_id: int, groups_max: int) -> None:
    """A user's groups are told in one welcome, so there must not be any number of them."""
    if await connection.fetchval(_SQL["groups_of"], user_id, group_id) >= groups_max:
        raise TooManyGroups
