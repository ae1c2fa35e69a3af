"""What users do about groups: make, join by invite code, leave, remove a member. A switch turns most of it off."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Final

from server.core.ids import IdMaker
from server.core.limits import Limits, check_text
from server.core.refusals import Reason, RequestRefused
from server.services.chat.groups import Group, GroupService
from storage.postgres.chat.groups import GroupKind
from storage.postgres.chat.memberships import (
    GroupFull,
    MembershipStore,
    OwnerStays,
    PairStays,
    TooManyGroups,
    WasKicked,
    WrongInvite,
)

INVITE_BYTES: Final = 10  # 80 random bits, 16 characters
INVITE: Final = re.compile("[A-Z2-7]{16}")


class MembershipService:
    """Use cases of users on groups. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        store: MembershipStore,
        groups: GroupService,
        limits: Limits,
        ids: IdMaker,
        now_ms: Callable[[], int],
        random_bytes: Callable[[int], bytes],
        self_service: bool,
    ) -> None:
        self._store = store
        self._groups = groups
        self._limits = limits
        self._ids = ids
        self._now_ms = now_ms
        self._random_bytes = random_bytes
        self._self_service = self_service

    async def create(self, owner_id: int, name: str) -> int:
        """A new group; its id."""
        self._check_self_service()
        check_text("name", name, 1, self._limits.name_bytes_max, Reason.BAD_NAME)
        now_ms = self._now_ms()
        group_id = self._ids.next(now_ms)
        try:
            await self._store.create(group_id, name, owner_id, now_ms, self._limits.groups_of_user_max)
        except TooManyGroups:
            raise self._too_many() from None
        return group_id

    async def join(self, user_id: int, group_id: int, invite: str) -> Group:
        """Become a member; again is harmless and needs no code. Strangers learn nothing without the right code.

        `group_id` 0: of the group that the code belongs to.
        """
        if not self._self_service:
            return await self._member_already(user_id, group_id)
        limits, invite = self._limits, invite.strip().upper()
        if not group_id and not INVITE.fullmatch(invite):
            raise RequestRefused(Reason.BAD_INVITE)
        try:
            group_id = group_id or await self._store.invited_to(invite)
            change = self._store.join(
                group_id, user_id, invite, self._now_ms(), limits.group_members_max, limits.groups_of_user_max
            )
            await self._groups.recorded(change)
        except TooManyGroups:
            raise self._too_many() from None
        except GroupFull:
            raise RequestRefused(Reason.GROUP_FULL, f"{limits.group_members_max} members") from None
        except WasKicked:
            raise RequestRefused(Reason.KICKED) from None
        except WrongInvite:
            raise RequestRefused(Reason.BAD_INVITE) from None
        return await self._groups.seen_by(user_id, group_id)

    async def _member_already(self, user_id: int, group_id: int) -> Group:
        try:
            return await self._groups.seen_by(user_id, group_id)
        except RequestRefused:
            raise RequestRefused(Reason.BACKEND_DECIDES) from None

    async def leave(self, user_id: int, group_id: int) -> None:
        """Stop being a member; again is harmless, for a stranger too. The owner stays."""
        self._check_self_service()
        try:
            await self._groups.recorded(self._store.leave(group_id, user_id, self._now_ms()))
        except OwnerStays:
            raise RequestRefused(Reason.OWNER_STAYS) from None
        except PairStays:
            raise RequestRefused(
                Reason.BAD_REQUEST, "group_id: both users of a one-to-one chat stay in it"
            ) from None
        self._groups.drop(group_id, user_id)  # a pass is not recorded

    async def remove_member(self, owner_id: int, group_id: int, user_id: int) -> None:
        """Remove a user who is or was a member, for good; again is harmless."""
        group = await self._groups.owned_by(owner_id, group_id)
        if user_id == owner_id:
            raise RequestRefused(Reason.OWNER_STAYS)
        if group.kind is GroupKind.SIGNED:
            raise RequestRefused(Reason.BAD_TARGET, "group_id: the chat backend ends passes in it")
        change = self._store.remove_member(group_id, user_id, self._now_ms())
        if await self._groups.recorded(change) is None:
            raise RequestRefused(Reason.NOT_A_MEMBER)

    async def invite(self, user_id: int, group_id: int, renew: bool) -> str:
        """The invite code of a group that the user is in; the owner may replace it by a new one."""
        self._check_self_service()
        group = await (self._groups.owned_by if renew else self._groups.seen_by)(user_id, group_id)
        if group.kind is not GroupKind.GROUP:
            raise RequestRefused(Reason.BAD_REQUEST, "group_id: this chat has no invite code")
        fresh = base64.b32encode(self._random_bytes(INVITE_BYTES)).decode()
        return await self._store.invite(group_id, fresh, renew)

    def _check_self_service(self) -> None:
        if not self._self_service:
            raise RequestRefused(Reason.BACKEND_DECIDES)

    def _too_many(self) -> RequestRefused:
        return RequestRefused(Reason.TOO_MANY_GROUPS, f"{self._limits.groups_of_user_max} groups")
