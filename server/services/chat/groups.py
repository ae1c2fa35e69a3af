"""Groups in memory: who is in, kept in step with the record, on every server.

The record decides. Memory of a group has a version; every change reaches it in the same way, whether it was made
here, by another server, or has an unknown outcome: what changed after that version is read and applied. Members who
were added or removed by others are told from there, so it does not matter to which server they are connected.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Collection, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Final, NamedTuple, Protocol, TypeVar
from weakref import WeakValueDictionary

import msgspec

from server.core.ids import is_user
from server.core.refusals import Reason, RequestRefused
from server.services.runtime.bus import Bus
from server.services.runtime.change_feed import ChangeFeed
from server.services.runtime.events import Added, Removed
from storage.postgres.chat.groups import GroupChanges, GroupKind, GroupRow, GroupStore

TOLD_MAX: Final = 100_000  # groups not kept whose version is remembered; of another one a change may be told twice
CATCH_UP_MAX: Final = 1_000  # groups whose versions are read at once


class Union(Collection[int]):
    """The members of several groups: a view that stays in step with all of them."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[Collection[int]]) -> None:
        self._parts = parts

    def __contains__(self, user_id: object) -> bool:
        return any(user_id in part for part in self._parts)

    def __iter__(self) -> Iterator[int]:
        return iter(set().union(*self._parts))

    def __len__(self) -> int:
        return len(set().union(*self._parts))


class Group(msgspec.Struct):
    """A group in memory as it was at a version. `members` is the same set for as long as the group is kept."""

    group_id: int
    name: str
    owner_id: int
    kind: GroupKind
    version: int
    members: set[int]
    is_deleted: bool


class RecordedChange(Protocol):
    """What a store says of a change: the group, and its version with the change."""

    @property
    def group_id(self) -> int: ...
    @property
    def version(self) -> int: ...


Change = TypeVar("Change", bound=RecordedChange | None)


class ChangedMembers(NamedTuple):
    """Whom a change added and removed, as memory saw it."""

    added: list[int]
    removed: list[int]


class GroupService:
    """Groups in use, kept in memory and in step. Raises RequestRefused, StoreUnavailable."""

    def __init__(self, store: GroupStore, changes: ChangeFeed, bus: Bus) -> None:
        self._store = store
        self._changes = changes
        self._bus = bus
        self._groups: dict[int, Group] = {}
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._told: OrderedDict[int, int] = OrderedDict()  # the version that was told, of groups that are not kept
        changes.on_change("group", self.follow)
        changes.on_gap(self.catch_up)

    # --- reading ----------------------------------------------------------------------------------------------

    async def owned_by(self, user_id: int, group_id: int) -> Group:
        """A group as its owner sees it."""
        group = await self.seen_by(user_id, group_id)
        if user_id != group.owner_id:
            raise RequestRefused(Reason.NOT_OWNER)
        return group

    async def seen_by(self, user_id: int, group_id: int) -> Group:
        """A group as one of its members sees it. Others are not told whether it exists."""
        group = self.in_memory(user_id, group_id)
        if group is not None:
            return group
        return await self._as_recorded(user_id, group_id)

    def in_memory(self, user_id: int, group_id: int) -> Group | None:
        """The same, if memory has the group and the user in it: then nothing need be read."""
        group = self._groups.get(group_id)
        return group if group is not None and user_id in group.members else None

    async def _as_recorded(self, user_id: int, group_id: int) -> Group:
        """For users whom memory does not know as members: one look-up, and no work that depends on the group."""
        version = await self._store.version_of_member(group_id, user_id)
        if version is None:
            raise RequestRefused(Reason.NOT_A_MEMBER)
        await self.keep([group_id])
        await self.follow(group_id, version)
        group = self._groups[group_id]
        if user_id not in group.members:  # no longer
            raise RequestRefused(Reason.NOT_A_MEMBER)
        return group

    async def find(self, group_id: int) -> Group | None:
        """A group as it is recorded; None if there is none. Not for strangers: what is in memory answers sooner."""
        await self.keep([group_id])
        return self._groups.get(group_id)

    async def page(self, group: Group, after_user_id: int, most: int) -> list[int]:
        """Members by their ids, those after one of them."""
        if len(group.members) > most and group.kind is not GroupKind.SIGNED:  # sorting them would stall the loop
            return await self._store.page(group.group_id, after_user_id, most)
        return sorted(user_id for user_id in group.members if user_id > after_user_id)[:most]

    async def keep(self, group_ids: Iterable[int]) -> None:
        """Have these groups in memory, those of them that exist."""
        missing = {group_id for group_id in group_ids if group_id not in self._groups}
        if not missing:
            return
        async with AsyncExitStack() as turns:  # a change that is told meanwhile is read after this
            for group_id in sorted(missing):
                await turns.enter_async_context(self.unchanged(group_id))
            for row in await self._store.load([one for one in missing if one not in self._groups]):
                self._groups[row.group_id] = _group(row)

    def members(self, group_id: int) -> Collection[int]:
        """The members of a group that is kept: a view that stays in step."""
        return self._groups[group_id].members

    def viewers(self, stream_id: int) -> Collection[int]:
        """The users who read a stream: the owner of an inbox, or the members of a group that is kept."""
        return (stream_id,) if is_user(stream_id) else self.members(stream_id)

    def audience(self, group_ids: Sequence[int]) -> Collection[int]:
        """The members of all these groups, which are kept: a view that stays in step."""
        parts = [self._groups[group_id].members for group_id in group_ids]
        return parts[0] if len(parts) == 1 else Union(parts)

    def drop(self, group_id: int, user_id: int) -> None:
        """A user is no longer in a group without a member list; of another group the record decides."""
        group = self._groups.get(group_id)
        if group is not None and group.kind is GroupKind.SIGNED:
            group.members.discard(user_id)

    # --- following the record ---------------------------------------------------------------------------------

    async def recorded(self, change: Awaitable[Change]) -> Change:
        """Await a change of this server's own. When it is recorded, memory follows, here and on all other servers.

        A change whose commit got no reply is followed like one of another server.
        """
        made = await change
        if made is not None:
            await self.follow(made.group_id, made.version)
            await self._changes.wait_until_told("group", made.group_id, made.version)
        return made

    async def follow(self, group_id: int, version: int) -> None:
        """Bring memory to at least this version, and tell those whom others have added or removed."""
        async with self.unchanged(group_id):
            group = self._groups.get(group_id)
            if group is None:
                await self._tell(group_id, version)
            elif group.version < version:
                await self._read_on(group)

    async def catch_up(self) -> None:
        """Bring all groups in memory up to date: changes may have been missed."""
        used = list({*self._groups, *self._turns})  # a reading that is under way may be older than the gap
        for place in range(0, len(used), CATCH_UP_MAX):
            for group_id, version in (await self._store.versions(used[place : place + CATCH_UP_MAX])).items():
                async with self.unchanged(group_id):
                    group = self._groups.get(group_id)
                    if group is not None and group.version < version:
                        await self._read_on(group)

    async def _read_on(self, group: Group) -> None:
        changes = await self._store.changes(group.group_id, group.version)
        if changes is not None:
            group.version, group.name, group.owner_id = changes.version, changes.name, changes.owner_id
            group.is_deleted = changes.is_deleted
            self._publish(group.group_id, changes, _apply(group, changes))

    async def _tell(self, group_id: int, version: int) -> None:
        """Nothing here is to be changed, but members may be connected here. A change is told once."""
        told = self._told.get(group_id, version - 1)
        if told >= version:
            return
        changes = await self._store.changes(group_id, told)
        if changes is not None and changes.kind is not GroupKind.SIGNED:  # here is no user with a pass
            self._told[group_id] = changes.version
            self._told.move_to_end(group_id)
            if len(self._told) > TOLD_MAX:
                self._told.popitem(last=False)
            added = [one.user_id for one in changes.members if one.is_in and one.by_other]
            removed = [one.user_id for one in changes.members if not one.is_in and one.by_other]
            self._publish(group_id, changes, ChangedMembers(added, removed))

    def _publish(self, group_id: int, changes: GroupChanges, changed: ChangedMembers) -> None:
        if changed.removed:
            self._bus.publish(Removed(group_id), set(changed.removed))
        if changed.added:
            self._publish_added(group_id, changes, changed.added)

    def _publish_added(self, group_id: int, changes: GroupChanges, added: list[int]) -> None:
        """Each user of a one-to-one chat is told of the other one."""
        if changes.kind is not GroupKind.DIRECT:
            event = Added(group_id, changes.name, changes.owner_id, changes.last_message)
            self._bus.publish(event, set(added))
            return
        for user_id in added:
            (other,) = {one.user_id for one in changes.members} - {user_id}
            self._bus.publish(Added(group_id, "", other, changes.last_message), (user_id,))

    def unchanged(self, group_id: int) -> asyncio.Lock:
        """To be held around a reading and what memory takes from it: a change is followed before or after.

        One reading of a group at a time, so that memory never goes back to an older state.
        """
        return self._turns.setdefault(group_id, asyncio.Lock())


def _group(row: GroupRow) -> Group:
    return Group(row.group_id, row.name, row.owner_id, row.kind, row.version, row.members, row.is_deleted)


def _apply(group: Group, changes: GroupChanges) -> ChangedMembers:
    """Give memory the members that are recorded. A change that it has already is no change."""
    changed = ChangedMembers([], [])
    for user_id, is_in, by_other in changes.members:
        if is_in == (user_id in group.members):
            continue
        if is_in:
            group.members.add(user_id)
        else:
            group.members.remove(user_id)
        if by_other:
            (changed.added if is_in else changed.removed).append(user_id)
    if changes.is_deleted:  # those are left who are in by passes, which are not recorded
        changed.removed.extend(group.members)
        group.members.clear()
    return changed
