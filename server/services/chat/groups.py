"""Groups: make, join, leave, who is in. The members of every group in use are kept in memory and in step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple
from weakref import WeakValueDictionary

from server.core.ids import IdMaker, is_user
from server.core.limits import Limits, check_text
from server.core.refusals import Reason, RequestRefused
from server.services.runtime.bus import Bus
from server.services.runtime.events import Removed
from server.services.runtime.in_doubt import InDoubt
from storage.errors import StoreUnavailable
from storage.postgres.chat.groups import (
    GroupFull,
    GroupStore,
    MemberRow,
    Standing,
    TooManyGroups,
    WasKicked,
)


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


class Group(NamedTuple):
    """A group in memory. `members` stays in step with the record."""

    group_id: int
    name: str
    owner_id: int
    members: set[int]


class GroupService:
    """Use cases on groups. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self, store: GroupStore, limits: Limits, ids: IdMaker, now_ms: Callable[[], int], bus: Bus
    ) -> None:
        self._store = store
        self._limits = limits
        self._ids = ids
        self._now_ms = now_ms
        self._bus = bus
        self._groups: dict[int, Group] = {}
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self.in_doubt: InDoubt[MemberRow, MemberRow] = InDoubt(self._find_outcome, self._follow)

    async def create(self, owner_id: int, name: str) -> int:
        """A new group; its id."""
        check_text(name, 1, self._limits.name_bytes_max, Reason.BAD_NAME)
        now_ms = self._now_ms()
        group_id = self._ids.next(now_ms)
        try:
            await self._store.create(group_id, name, owner_id, now_ms, self._limits.groups_of_user_max)
        except TooManyGroups:
            raise self._too_many() from None
        self._groups[group_id] = Group(group_id, name, owner_id, {owner_id})
        return group_id

    async def join(self, user_id: int, group_id: int) -> Group:
        """Become a member; again is harmless."""
        group, limits = await self._existing(group_id), self._limits
        async with self._changing(group_id, user_id, Standing.IN):
            try:
                await self._store.join(
                    group_id, user_id, self._now_ms(), limits.group_members_max, limits.groups_of_user_max
                )
            except TooManyGroups:
                raise self._too_many() from None
            except GroupFull:
                raise RequestRefused(Reason.GROUP_FULL, f"{limits.group_members_max} members") from None
            except WasKicked:
                raise RequestRefused(Reason.KICKED) from None
        return group

    async def leave(self, user_id: int, group_id: int) -> None:
        """Stop being a member; again is harmless. The owner stays."""
        group = await self._existing(group_id)
        if user_id == group.owner_id:
            raise RequestRefused(Reason.OWNER_STAYS)
        async with self._changing(group_id, user_id, Standing.LEFT):
            await self._store.leave(group_id, user_id, self._now_ms())

    async def remove_member(self, owner_id: int, group_id: int, user_id: int) -> None:
        """Remove a user who is or was a member, for good; again is harmless."""
        await self.owned_by(owner_id, group_id)
        if user_id == owner_id:
            raise RequestRefused(Reason.OWNER_STAYS)
        async with self._changing(group_id, user_id, Standing.KICKED):
            if not await self._store.remove_member(group_id, user_id, self._now_ms()):
                raise RequestRefused(Reason.NOT_A_MEMBER)

    @asynccontextmanager
    async def _changing(self, group_id: int, user_id: int, standing: Standing) -> AsyncIterator[None]:
        """Inside, a change is recorded. Memory follows: at once, or when it is known whether it is recorded."""
        change = MemberRow(group_id, user_id, standing)
        async with self._turn(group_id):
            try:
                yield
            except StoreUnavailable:
                self.in_doubt.add([change])
                raise
            self._follow(change)

    def _turn(self, group_id: int) -> asyncio.Lock:
        """One change of a group's members at a time, so that memory follows the record in its order."""
        return self._turns.setdefault(group_id, asyncio.Lock())

    def _follow(self, change: MemberRow) -> None:
        """Have in memory what is recorded. A removed user is told."""
        group_id, user_id, standing = change
        members = self._groups[group_id].members
        if standing is Standing.IN:
            members.add(user_id)
        elif user_id in members:
            members.remove(user_id)
            if standing is Standing.KICKED:
                self._bus.publish(Removed(group_id), (user_id,))

    async def _find_outcome(self, changes: Sequence[MemberRow]) -> list[MemberRow | None]:
        """Which of these are recorded. Memory follows before the next turn begins: nothing is awaited between."""
        async with AsyncExitStack() as turns:
            for group_id in {change.group_id for change in changes}:
                await turns.enter_async_context(self._turn(group_id))
            return await self._store.find_outcome(changes)

    async def owned_by(self, user_id: int, group_id: int) -> Group:
        """A group as its owner sees it."""
        group = await self.seen_by(user_id, group_id)
        if user_id != group.owner_id:
            raise RequestRefused(Reason.NOT_OWNER)
        return group

    async def seen_by(self, user_id: int, group_id: int) -> Group:
        """A group as one of its members sees it."""
        group = await self._existing(group_id)
        if user_id not in group.members:
            raise RequestRefused(Reason.NOT_A_MEMBER)
        return group

    async def keep(self, group_ids: Sequence[int]) -> None:
        """Have these groups in memory, those of them that exist."""
        missing = [group_id for group_id in set(group_ids) if group_id not in self._groups]
        if missing:
            for row in await self._store.load(missing):
                group = Group(row.group_id, row.name, row.owner_id, row.members)
                self._groups.setdefault(group.group_id, group)  # one that was loaded meanwhile stays the one

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

    def _too_many(self) -> RequestRefused:
        return RequestRefused(Reason.TOO_MANY_GROUPS, f"{self._limits.groups_of_user_max} groups")

    async def _existing(self, group_id: int) -> Group:
        await self.keep([group_id])
        if group_id not in self._groups:
            raise RequestRefused(Reason.NO_SUCH_GROUP)
        return self._groups[group_id]
