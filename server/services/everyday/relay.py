"""The relay (接龙) of a group, as its owner and the chat backend set it. The settlement follows the rule."""

from __future__ import annotations

from server.core.everyday.relay import OFF, check_times
from server.core.refusals import Reason, RequestRefused
from server.services.chat.groups import Group, GroupService
from storage.postgres.chat.groups import GroupKind
from storage.postgres.chat.relays import RelayStore


class RelayService:
    """Use cases set and look. Raises RequestRefused, StoreUnavailable.

    A rule holds for packets whose last claim is credited after it was set: nothing of it is kept in memory.
    """

    def __init__(self, store: RelayStore, groups: GroupService, *, self_service: bool) -> None:
        self._store = store
        self._groups = groups
        self._self_service = self_service

    async def set_by_owner(self, user_id: int, group_id: int, times: int) -> None:
        """The owner of a group sets its rule. Raises RequestRefused: NOT_OWNER, NOT_A_MEMBER, BACKEND_DECIDES."""
        check_times(times)
        if not self._self_service:
            raise RequestRefused(Reason.BACKEND_DECIDES)
        await self._put(await self._groups.owned_by(user_id, group_id), times)

    async def set_by_backend(self, group_id: int, times: int) -> None:
        """The chat backend sets the rule of any group. Raises RequestRefused (NO_SUCH_GROUP)."""
        check_times(times)
        await self._put(await self._found(group_id), times)

    async def of_member(self, user_id: int, group_id: int) -> int:
        """The rule of a group, for a member. Raises RequestRefused (NOT_A_MEMBER)."""
        await self._groups.seen_by(user_id, group_id)
        return await self._store.times_of(group_id) or OFF

    async def of_group(self, group_id: int) -> int:
        """The rule of a group, for the chat backend. Raises RequestRefused (NO_SUCH_GROUP)."""
        times = await self._store.times_of(group_id)
        if times is None:
            raise RequestRefused(Reason.NO_SUCH_GROUP)
        return times

    async def _found(self, group_id: int) -> Group:
        group = await self._groups.find(group_id)
        if group is None or group.is_deleted:
            raise RequestRefused(Reason.NO_SUCH_GROUP)
        return group

    async def _put(self, group: Group, times: int) -> None:
        if group.kind is GroupKind.DIRECT:
            raise RequestRefused(Reason.BAD_REQUEST, "group_id: no lucky packet is sent in a one-to-one chat")
        if not await self._store.put(group.group_id, times):
            raise RequestRefused(Reason.NO_SUCH_GROUP)
