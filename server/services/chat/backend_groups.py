"""What the chat backend decides about groups: its own groups under its own ids, and who is in a group."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal

from server.core.ids import IdMaker
from server.core.limits import Limits, check_bytes, check_text
from server.core.refusals import Reason, RequestRefused
from server.services.chat.groups import Group, GroupService
from storage.postgres.chat.backend_groups import BackendGroupStore, MembersRecorded, OtherKind, WasDeleted
from storage.postgres.chat.groups import GroupKind
from storage.postgres.chat.memberships import GroupFull

EXTERNAL_ID_BYTES_MAX: Final = 64
LIST_WAIT_S: Final = 20.0  # for the lists before; one of 100,000 members takes a second or two
LIST_RETRY_MS: Final = 2_000
IDS_MAX: Final = 100_000  # external ids in memory; more are dropped, the longest unused first
AUDIENCES: Final = {"members": GroupKind.GROUP, "signature": GroupKind.SIGNED}


class BackendGroupService:
    """Use cases of the backend on groups; all are idempotent. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        store: BackendGroupStore,
        groups: GroupService,
        limits: Limits,
        ids: IdMaker,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._groups = groups
        self._limits = limits
        self._ids = ids
        self._now_ms = now_ms
        self._list_turn = asyncio.Lock()
        self._ids_of: OrderedDict[str, int] = OrderedDict()  # by external id

    async def put(self, external_id: str, name: str, owner_id: int, audience: str) -> int:
        """The group under this id of the backend's, made or changed; its id here."""
        check_bytes("external_id", external_id, 1, EXTERNAL_ID_BYTES_MAX, Reason.BAD_REQUEST)
        check_text("name", name, 1, self._limits.name_bytes_max, Reason.BAD_NAME)
        if audience not in AUDIENCES:
            raise RequestRefused(Reason.BAD_REQUEST, f"audience: one of {', '.join(AUDIENCES)}")
        now_ms = self._now_ms()
        group_id = self._ids.next(now_ms)
        try:
            made = await self._groups.recorded(
                self._store.put(group_id, external_id, AUDIENCES[audience], name, owner_id, now_ms)
            )
        except OtherKind:
            raise RequestRefused(Reason.BAD_REQUEST, "audience: that of a group cannot be changed") from None
        except WasDeleted:
            raise RequestRefused(
                Reason.BAD_REQUEST, "external_id: the group was deleted: its id is not used again"
            ) from None
        return made.group_id

    async def id_of(self, external_id: str) -> int:
        """The id here of the group under this id of the backend's. It never changes, so it is kept in memory."""
        found = self._ids_of.get(external_id)
        if found is None:
            check_bytes("external_id", external_id, 1, EXTERNAL_ID_BYTES_MAX, Reason.BAD_REQUEST)
            found = await self._store.id_of(external_id)
            if found is None:
                raise RequestRefused(Reason.NO_SUCH_GROUP)
            self._ids_of[external_id] = found
            if len(self._ids_of) > IDS_MAX:
                self._ids_of.popitem(last=False)
        else:
            self._ids_of.move_to_end(external_id)
        return found

    async def delete(self, group_id: int) -> None:
        """The group has no members from now on, and none can come. Its packets are refunded when they expire."""
        await self._groups.recorded(self._store.delete(group_id, self._now_ms()))

    async def sync(self, group_id: int, version: int, user_ids: Sequence[int]) -> MembersRecorded:
        """The whole member list as it is at the backend's version."""
        if len(set(user_ids)) > self._limits.synced_members_max:
            raise RequestRefused(Reason.GROUP_FULL, f"{self._limits.synced_members_max} members")
        # One at a time: in the database they would wait for each other's rows, each with a connection of the pool.
        try:
            async with asyncio.timeout(LIST_WAIT_S):
                await self._list_turn.acquire()
        except TimeoutError:
            raise RequestRefused(Reason.OVERLOADED, "other lists are before it", LIST_RETRY_MS) from None
        try:
            return await self._recorded(self._store.sync(group_id, version, user_ids, self._now_ms()))
        finally:
            self._list_turn.release()

    async def change(
        self, group_id: int, version: int, joined: Sequence[int], left: Sequence[int]
    ) -> MembersRecorded:
        """Members who came and went at the backend's version."""
        if not set(joined).isdisjoint(left):
            raise RequestRefused(Reason.BAD_REQUEST, "left: a user in it is also in `joined`")
        most = self._limits.synced_members_max
        change = self._store.change(group_id, version, joined, left, self._now_ms(), most)
        return await self._recorded(change)

    async def _recorded(self, change: Awaitable[MembersRecorded | None]) -> MembersRecorded:
        try:
            made = await self._groups.recorded(change)
        except OtherKind:
            raise RequestRefused(
                Reason.BAD_REQUEST, "group_id: this chat has no member list to be changed"
            ) from None
        except GroupFull:
            raise RequestRefused(Reason.GROUP_FULL, f"{self._limits.synced_members_max} members") from None
        if made is None:
            raise RequestRefused(Reason.NO_SUCH_GROUP)
        return made


def audience_of(group: Group) -> Literal["members", "signature"]:
    """What `put` would have to say of this group."""
    return "signature" if group.kind is GroupKind.SIGNED else "members"
