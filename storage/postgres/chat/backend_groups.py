"""What the chat backend changes about groups: its own groups, and who is in a group.

The backend numbers its changes. A row of a membership has the number of its last change; `synced_version` of the
group holds for all rows with a smaller one. So a late call undoes nothing newer, and the same call again changes
nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from storage import statements
from storage.postgres.chat import users
from storage.postgres.chat.groups import GroupKind
from storage.postgres.chat.memberships import GroupFull, Recorded
from storage.postgres.sessions import wait_for_locks

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)
FRESH_START: Final = 0  # in place of a version of a whole list: the recorded versions are forgotten
PATIENCE_S: Final = 30.0  # a list of 100,000 members takes a second or two


class OtherKind(Exception):
    """The group has another kind of audience than the request says or needs."""


class WasDeleted(Exception):
    """The group of this external id was deleted; nothing was recorded."""


class MembersRecorded(NamedTuple):
    """A change of members that is recorded, or changed nothing: how many joined and left, and how many are in."""

    group_id: int
    version: int
    joined: int
    left: int
    members: int


class LockedGroup(NamedTuple):
    """A group whose row is held."""

    version: int
    synced_version: int
    is_signed: bool


class BackendGroupStore:
    """Statements of the chat backend on groups, one transaction each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def _patient_transaction(self) -> AsyncIterator[Connection]:
        """A transaction that waits for locks: a whole member list may be under way."""
        async with self._database.transaction() as connection:
            await wait_for_locks(connection)
            yield connection

    async def put(
        self, group_id: int, external_id: str, kind: GroupKind, name: str, owner_id: int, now_ms: int
    ) -> Recorded:
        """Make the group of this external id under `group_id`, or change the one that exists.

        Raises OtherKind, WasDeleted.
        """
        async with self._patient_transaction() as connection:
            await users.know(connection, [owner_id] if owner_id else [])
            made = await connection.fetchval(_SQL["make"], group_id, external_id, kind, name, owner_id, now_ms)
            if made is not None:
                return Recorded(group_id, 1)
            found = await connection.fetchrow(_SQL["find"], external_id, timeout=PATIENCE_S)
            assert found is not None
            found_id, found_kind, found_name, found_owner, version, is_deleted = found
            if is_deleted:
                raise WasDeleted
            if found_kind != kind:
                raise OtherKind
            if (found_name, found_owner) != (name, owner_id):
                version += 1
                await connection.execute(_SQL["change"], found_id, name, owner_id, version)
        return Recorded(found_id, version)

    async def id_of(self, external_id: str) -> int | None:
        """The id of the group under this id of the backend's; None if there is none. It never changes."""
        async with self._database.reading() as connection:
            found: int | None = await connection.fetchval(_SQL["id_of"], external_id)
            return found

    async def delete(self, group_id: int, now_ms: int) -> Recorded:
        """End all memberships of a group of the backend for good; again is harmless."""
        async with self._patient_transaction() as connection:
            group = await _lock(connection, group_id)
            if group is None:
                return Recorded(group_id, await connection.fetchval(_SQL["version"], group_id))
            end = group_id, now_ms, group.version + 1
            await connection.execute(_SQL["all_left"], *end, timeout=PATIENCE_S)
            await connection.execute(_SQL["delete"], *end)
        return Recorded(group_id, group.version + 1)

    async def sync(
        self, group_id: int, at_version: int, user_ids: Sequence[int], now_ms: int
    ) -> MembersRecorded | None:
        """These are all the members as of the backend's version; None: no such group. Raises OtherKind."""
        async with self._patient_transaction() as connection:
            await users.know(connection, user_ids, PATIENCE_S)
            group = await _lock(connection, group_id)
            if group is None:
                return None
            if group.is_signed:
                raise OtherKind
            if at_version == FRESH_START:
                await connection.execute(_SQL["forget_versions"], group_id, timeout=PATIENCE_S)
                group = group._replace(synced_version=FRESH_START - 1)
            joined = left = 0
            if at_version > group.synced_version:
                change = group_id, user_ids, now_ms, group.version + 1, at_version
                joined = await connection.fetchval(_SQL["synced_in"], *change, timeout=PATIENCE_S)
                await connection.execute(_SQL["join_by_hash"])
                left = await connection.fetchval(_SQL["synced_out"], *change, timeout=PATIENCE_S)
            return await _conclude(connection, group_id, group, joined, left, at_version)

    async def change(
        self,
        group_id: int,
        at_version: int,
        joined: Sequence[int],
        left: Sequence[int],
        now_ms: int,
        members_max: int,
    ) -> MembersRecorded | None:
        """Users who joined and left at the backend's version; None: no such group. Raises OtherKind, GroupFull.

        In a group without a member list no user joins, and for those who left the passes end that they have.
        """
        async with self._patient_transaction() as connection:
            await users.know(connection, joined, PATIENCE_S)
            group = await _lock(connection, group_id)
            if group is None:
                return None
            if group.is_signed and joined:
                raise OtherKind
            came = went = 0
            if at_version > group.synced_version:
                place = now_ms, group.version + 1, at_version
                came = await connection.fetchval(_SQL["joined"], group_id, joined, *place)
                end = _SQL["passes_end"] if group.is_signed else _SQL["left"]
                went = await connection.fetchval(end, group_id, left, *place)
            recorded = await _conclude(connection, group_id, group, came, went, 0)
            if came and recorded.members > members_max:
                raise GroupFull
        return recorded


async def _lock(connection: Connection, group_id: int) -> LockedGroup | None:
    row = await connection.fetchrow(_SQL["lock"], group_id, timeout=PATIENCE_S)
    if row is None:
        return None
    if row["kind"] == GroupKind.DIRECT:
        raise OtherKind
    return LockedGroup(row["members_version"], row["synced_version"], row["kind"] == GroupKind.SIGNED)


async def _conclude(
    connection: Connection, group_id: int, group: LockedGroup, joined: int, left: int, synced_version: int
) -> MembersRecorded:
    version = group.version + 1 if joined or left else group.version
    if version > group.version or synced_version > group.synced_version:
        await connection.execute(_SQL["advance"], group_id, version, synced_version)
    members = await connection.fetchval(_SQL["members"], group_id, timeout=PATIENCE_S)
    return MembersRecorded(group_id, version, joined, left, members)
