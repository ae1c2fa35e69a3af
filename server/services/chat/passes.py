"""Groups without a member list: a user shows a pass that the chat backend signed, and is in until it expires.

Nothing is written. A pass holds on the server where it was shown; how it is signed is the wire's affair.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from server.core.refusals import Reason, RequestRefused
from server.services.chat.groups import GroupService
from storage.postgres.chat.groups import GroupKind

LIFETIME_S_MAX: Final = 86_400  # a pass that is valid for longer is refused
LOOK_S: Final = 0.2  # between two looks for passes that have expired


class ShownPass(NamedTuple):
    """What a pass claims, and its signature."""

    group_id: int
    user_id: int
    expires_at_s: int
    key_id: str
    mac: bytes


class PassService:
    """Use case show a pass. Raises RequestRefused, StoreUnavailable."""

    def __init__(self, keys: Mapping[str, bytes], groups: GroupService, now_ms: Callable[[], int]) -> None:
        self._keys = keys
        self._groups = groups
        self._now_ms = now_ms
        self._until_s: dict[tuple[int, int], int] = {}  # by group and user

    def use(self, keys: Mapping[str, bytes]) -> None:
        """Passes from now on are judged with these keys; those that were shown hold."""
        self._keys = keys

    async def show(self, user_id: int, shown: ShownPass, expected: Callable[[bytes], bytes]) -> None:
        """Be in the group until the pass expires. `expected` makes the right signature from the server's key."""
        key = self._keys.get(shown.key_id)
        is_genuine = key is not None and hmac.compare_digest(expected(key), shown.mac)
        if not is_genuine or shown.user_id != user_id or not self._is_in_time(shown.expires_at_s):
            raise RequestRefused(Reason.BAD_PASS)
        group = await self._groups.find(shown.group_id)
        if group is None or group.kind is not GroupKind.SIGNED:
            raise RequestRefused(Reason.BAD_PASS, "there is no group without a member list under this id")
        place = shown.group_id, user_id
        self._until_s[place] = max(shown.expires_at_s, self._until_s.get(place, 0))
        group.members.add(user_id)

    def _is_in_time(self, expires_at_s: int) -> bool:
        left_s = expires_at_s - self._now_ms() / 1000
        return 0 < left_s <= LIFETIME_S_MAX

    async def run(self) -> None:
        """End what has expired. Never ends; to be supervised."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.expire()

    def expire(self) -> None:
        """Users whose pass has expired are out."""
        now_s = self._now_ms() / 1000
        for place in [place for place, until_s in self._until_s.items() if until_s <= now_s]:
            del self._until_s[place]
            group_id, user_id = place
            self._groups.drop(group_id, user_id)
