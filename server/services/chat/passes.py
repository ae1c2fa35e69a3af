"""Groups without a member list: a user shows a pass that the chat backend signed, and is in until it expires.

That a user is in is not recorded: a pass holds on the server where it was shown; how it is signed is the wire's
affair. Recorded is what ends passes: a ban, revoked tokens, and that the backend said the user has left.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from server.core.refusals import Reason, RequestRefused
from server.services.chat.groups import Group, GroupService
from server.services.chat.login import AHEAD_S_MAX
from server.services.runtime.change_feed import ChangeFeed
from storage.postgres.chat.groups import GroupKind
from storage.postgres.chat.users import AccessRow, UserStore

LIFETIME_S_MAX: Final = 86_400  # a pass that is valid for longer is refused
LOOK_S: Final = 0.2  # between two looks for passes that have expired
READ_MAX: Final = 10_000  # users whose access is read at once


class ShownPass(NamedTuple):
    """What a pass claims, and its signature. `issued_at_s` 0: older than every pass that says when it was made."""

    group_id: int
    user_id: int
    expires_at_s: int
    key_id: str
    mac: bytes
    issued_at_s: int = 0


class HeldPass(NamedTuple):
    """The newest pass of a user to a group, and until when the user is in by it."""

    issued_at_s: int
    until_s: int


class PassService:
    """Use case show a pass. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        keys: Mapping[str, bytes],
        groups: GroupService,
        users: UserStore,
        changes: ChangeFeed,
        now_ms: Callable[[], int],
    ) -> None:
        self._keys = keys
        self._groups = groups
        self._users = users
        self._now_ms = now_ms
        self._held: dict[int, dict[int, HeldPass]] = {}  # by user and group
        self._some_held = asyncio.Event()
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        changes.on_change("user", self.follow)
        changes.on_gap(self.catch_up)

    def use(self, keys: Mapping[str, bytes]) -> None:
        """Passes from now on are judged with these keys; those that were shown hold."""
        self._keys = keys

    async def show(self, user_id: int, shown: ShownPass, expected: Callable[[bytes], bytes]) -> int:
        """Be in the group; until when (seconds since 1970). `expected` makes the right signature from a key."""
        key = self._keys.get(shown.key_id)
        is_genuine = key is not None and hmac.compare_digest(expected(key), shown.mac)
        if not is_genuine or shown.user_id != user_id or not self._is_in_time(shown):
            raise RequestRefused(Reason.BAD_PASS)
        group = await self._groups.find(shown.group_id)
        if group is None or group.kind is not GroupKind.SIGNED:
            raise RequestRefused(Reason.BAD_PASS, "there is no group without a member list under this id")
        return await self._enter(group, user_id, HeldPass(shown.issued_at_s, shown.expires_at_s))

    async def take(self, user_id: int, group_id: int, held: HeldPass) -> None:
        """A pass that was shown at another server, which has judged it. Raises RequestRefused, StoreUnavailable."""
        group = await self._groups.find(group_id)
        if group is not None and group.kind is GroupKind.SIGNED:
            await self._enter(group, user_id, held)

    def held(self, user_id: int, group_id: int) -> HeldPass | None:
        """The pass by which a user is in a group."""
        return self._held.get(user_id, {}).get(group_id)

    def all_held(self) -> list[tuple[int, int, HeldPass]]:
        """User, group, pass."""
        return [(user_id, group_id, one) for user_id, held in self._held.items() for group_id, one in held.items()]

    async def _enter(self, group: Group, user_id: int, shown: HeldPass) -> int:
        """Be in the group, unless the record has ended such passes; until when (seconds since 1970)."""
        # what ends passes and comes meanwhile is followed after this
        async with self._turn(user_id), self._groups.unchanged(group.group_id):
            from_s = await self._users.passes_from(user_id, group.group_id)
            if group.is_deleted:
                raise RequestRefused(Reason.BAD_PASS, "the group was deleted")
            if from_s is None or shown.issued_at_s < from_s:
                raise RequestRefused(Reason.BAD_PASS, "it was issued before passes of this user were ended")
            held = self._newest(user_id, group.group_id, shown)
            self._held.setdefault(user_id, {})[group.group_id] = held
            self._some_held.set()
            group.members.add(user_id)
        return held.until_s

    def _newest(self, user_id: int, group_id: int, shown: HeldPass) -> HeldPass:
        """The newest pass decides, also one that ends sooner. Those of the same second all hold."""
        held = self._held.get(user_id, {}).get(group_id)
        if held is None or shown.issued_at_s > held.issued_at_s:
            return shown
        if shown.issued_at_s == held.issued_at_s:
            return HeldPass(held.issued_at_s, max(shown.until_s, held.until_s))
        if held.until_s <= self._now_ms() / 1000:
            raise RequestRefused(Reason.BAD_PASS, "a newer pass was shown")
        return held

    def _is_in_time(self, shown: ShownPass) -> bool:
        now_s = self._now_ms() / 1000
        if not 0 < shown.expires_at_s - now_s <= LIFETIME_S_MAX:
            return False
        if not shown.issued_at_s:
            return True
        return shown.issued_at_s <= now_s + AHEAD_S_MAX and shown.expires_at_s - shown.issued_at_s <= LIFETIME_S_MAX

    def _turn(self, user_id: int) -> asyncio.Lock:
        return self._turns.setdefault(user_id, asyncio.Lock())

    # --- what ends passes -------------------------------------------------------------------------------------

    async def follow(self, user_id: int, version: int) -> None:
        """A user has changed: a ban and revoked tokens end the passes that were issued before."""
        if user_id in self._held or user_id in self._turns:
            async with self._turn(user_id):
                for access in await self._users.restricted([user_id]):
                    self._end(access)

    async def catch_up(self) -> None:
        """Any user may have changed; a pass that is being shown may rest on a reading before that."""
        for user_id in list(self._turns):
            await self.follow(user_id, 0)
        user_ids = list(self._held)
        for first in range(0, len(user_ids), READ_MAX):
            for access in await self._users.restricted(user_ids[first : first + READ_MAX]):
                self._end(access)

    def _end(self, access: AccessRow) -> None:
        held = self._held.get(access.user_id, {})
        for group_id, one in list(held.items()):
            if access.is_banned or one.issued_at_s < access.tokens_from_s:
                self._groups.drop(group_id, access.user_id)
                del held[group_id]

    async def run(self) -> None:
        """End what has expired. Never ends; to be supervised."""
        while True:
            await self._some_held.wait()  # most servers have no group without a member list
            await asyncio.sleep(LOOK_S)
            self.expire()
            if not self._held:
                self._some_held.clear()

    def expire(self) -> None:
        """Users whose pass has expired are out. Its time of issue is kept while an older pass could be valid."""
        now_s = self._now_ms() / 1000
        for user_id, held in list(self._held.items()):
            for group_id, one in list(held.items()):
                if one.until_s <= now_s:
                    self._groups.drop(group_id, user_id)
                    if one.issued_at_s + LIFETIME_S_MAX <= now_s:
                        del held[group_id]
            if not held:
                del self._held[user_id]
