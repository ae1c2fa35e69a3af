"""Who may log in, and what they find. The proof itself is the wire's affair and comes in as a function."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import Final, NamedTuple

from server.core.ids import is_user
from server.core.ledger import Holding, WalletBalance
from server.core.limits import Limits
from server.core.refusals import SET_AWAY, Reason, RequestRefused
from server.services.runtime.batching import Batcher
from storage.postgres.chat.groups import GroupStore, ProfileRow, StreamPositionRow
from storage.postgres.chat.users import UserStore

PROFILES_MAX = 500
GATHER_S: Final = 0.002  # in a crowd of logins; reading one profile takes half a millisecond
AHEAD_S_MAX: Final = 60  # a token issued later, by the server's clock, would outlive a revocation


class LoginVerdict(Enum):
    """What became of a login."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    FROM_LATER = "from later"
    EXPIRED = "expired"
    OLD_VERSION = "old version"
    BANNED = "banned"
    REVOKED = "revoked"
    SPONSOR = "sponsor"


class Profile(NamedTuple):
    """What a user finds at login, and what the record says about their logins.

    `streams`: where each stands. The inbox has the user's own id, and no name.
    """

    holding: Holding
    streams: list[StreamPositionRow]
    is_banned: bool
    tokens_from_s: int
    is_sponsor: bool = False


class LoginService:
    """Judges logins with the keys that the chat backend mints its tokens with."""

    def __init__(
        self,
        keys: Mapping[str, bytes],
        v1_tokens_end_ms: float,
        limits: Limits,
        now_ms: Callable[[], int],
        store: GroupStore,
        users: UserStore,
    ) -> None:
        self._keys = keys
        self._v1_tokens_end_ms = v1_tokens_end_ms
        self._now_ms = now_ms
        self._store = store
        self._users = users
        self.batcher: Batcher[int, Profile] = Batcher(self._load, PROFILES_MAX, limits, GATHER_S)

    def use(self, keys: Mapping[str, bytes], v1_tokens_end_ms: float) -> None:
        """Logins from now on are judged with these keys; existing sessions stay."""
        self._keys, self._v1_tokens_end_ms = keys, v1_tokens_end_ms

    @property
    def signing_key(self) -> tuple[str, bytes]:
        """The id and the key that new tokens are signed with: the last one."""
        return list(self._keys.items())[-1]

    def key(self, key_id: str) -> bytes | None:
        """The key with this id; None: no key of this server."""
        return self._keys.get(key_id)

    @property
    def keys(self) -> Collection[bytes]:
        """Every key of this server, the one that signs first."""
        return list(self._keys.values())[::-1]

    def judge(
        self, key_id: str, issued_at_s: int, expires_at_s: int, proof: bytes, expected: Callable[[bytes], bytes]
    ) -> LoginVerdict:
        """`expected` makes the right proof from the server's key; both are compared in constant time.

        `issued_at_s` is 0 in a token of version 1, which is accepted until a configured date.
        """
        key, now_ms = self._keys.get(key_id), self._now_ms()
        if key is None or not hmac.compare_digest(expected(key), proof):
            return LoginVerdict.REFUSED
        if issued_at_s * 1000 > now_ms + AHEAD_S_MAX * 1000:
            return LoginVerdict.FROM_LATER
        if not issued_at_s and now_ms >= self._v1_tokens_end_ms:
            return LoginVerdict.OLD_VERSION
        return LoginVerdict.ACCEPTED if expires_at_s * 1000 > now_ms else LoginVerdict.EXPIRED

    def admits(self, profile: Profile, issued_at_s: int) -> LoginVerdict:
        """Judge a login, whose proof is right, by the record."""
        if profile.is_banned:
            return LoginVerdict.BANNED
        if profile.is_sponsor:
            return LoginVerdict.SPONSOR
        return LoginVerdict.REVOKED if issued_at_s < profile.tokens_from_s else LoginVerdict.ACCEPTED

    def find_profile(self, user_id: int, on_profile: Callable[[Profile | Exception], None]) -> None:
        """Balance and streams of a user, who is known from then on; the inbox is always among the streams.

        Without a task: the profile goes to `on_profile`. Raises RequestRefused.
        """
        self.batcher.hand_in(user_id, on_profile)

    async def _load(self, user_ids: list[int]) -> list[Profile | Exception]:
        profiles = await self._store.profiles(user_ids)
        if unknown := [one for one in profiles if profiles[one].access is None and is_user(one)]:
            await self._users.know(unknown)
        return [_profile(one, profiles[one]) if one in profiles else _away() for one in user_ids]


def _away() -> RequestRefused:
    return RequestRefused(Reason.STORE_UNAVAILABLE, SET_AWAY)


def _profile(user_id: int, row: ProfileRow) -> Profile:
    streams = row.streams
    if user_id not in [stream.stream_id for stream in streams]:
        streams = [StreamPositionRow(user_id, "", user_id, 0), *streams]
    holding = Holding(WalletBalance(*row.holding.balance), row.holding.arriving_fen)
    access = row.access
    if access is None:
        return Profile(holding, streams, is_banned=False, tokens_from_s=0)
    return Profile(holding, streams, access.is_banned, access.tokens_from_s, access.is_sponsor)
