"""Who may log in, and what they find. The proof itself is the wire's affair and comes in as a function."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from enum import Enum

from server.core.limits import Limits
from server.services.runtime.batching import Batcher
from storage.postgres.chat.groups import GroupStore, ProfileRow, StreamPositionRow

PROFILES_MAX = 500


class LoginVerdict(Enum):
    """What became of a login."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXPIRED = "expired"


class LoginService:
    """Judges logins with the keys that the chat backend mints its tokens with."""

    def __init__(
        self, keys: Mapping[str, bytes], limits: Limits, now_ms: Callable[[], int], store: GroupStore
    ) -> None:
        self._keys = keys
        self._now_ms = now_ms
        self._store = store
        self.batcher: Batcher[int, ProfileRow] = Batcher(self._load, PROFILES_MAX, limits)

    def use(self, keys: Mapping[str, bytes]) -> None:
        """Logins from now on are judged with these keys; who is logged in stays."""
        self._keys = keys

    def judge(
        self, key_id: str, expires_at_s: int, proof: bytes, expected: Callable[[bytes], bytes]
    ) -> LoginVerdict:
        """`expected` makes the right proof from the server's key; both are compared in constant time."""
        key = self._keys.get(key_id)
        if key is None or not hmac.compare_digest(expected(key), proof):
            return LoginVerdict.REFUSED
        return LoginVerdict.ACCEPTED if expires_at_s * 1000 > self._now_ms() else LoginVerdict.EXPIRED

    async def profile(self, user_id: int) -> ProfileRow:
        """Balance and places of a user; their inbox is always among the places."""
        return await self.batcher.submit(user_id)

    async def _load(self, user_ids: list[int]) -> list[ProfileRow]:
        profiles = await self._store.profiles(user_ids)
        return [_with_inbox(user_id, profiles[user_id]) for user_id in user_ids]


def _with_inbox(user_id: int, profile: ProfileRow) -> ProfileRow:
    if any(place.stream_id == user_id for place in profile.places):
        return profile
    return profile._replace(places=[StreamPositionRow(user_id, "", user_id, 0), *profile.places])
