"""Users whose pay password was right a short while ago: their next payments need no argon2id.

Why this is no weaker:

* It only says yes, to what argon2id has said yes to, for the hash that is in the record now. A change, a reset or a
  renewal at any server writes another hash, which no entry fits. What it does not know is compared by argon2id.
* An attempt is counted, and a lock refused, before it is asked. So guesses are as few as without it; a wrong one
  takes as long, whether its user has an entry or not.
* Nothing of it is ever written: what is at rest is as before. An entry is a MAC of what the pepper makes of the
  password, under a key that only this process has. A program that can read its memory has the key that the pepper
  is made from, and sees each password as it is typed.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final, NamedTuple

KEPT_MS: Final = 10 * 60_000  # after the comparison by argon2id; later uses prolong nothing
USERS_MAX: Final = 100_000  # two threads of argon2id compare about as many in ten minutes
KEY_BYTES: Final = 32
DROPPED_MAX: Final = 2  # entries at a time: the loop does not wait for many that have ended at once


class _Right(NamedTuple):
    """What fitted, and when it was compared by argon2id."""

    mac: bytes
    at_ms: int

    def has_ended(self, now_ms: int) -> bool:
        """Ten minutes have passed."""
        return now_ms >= self.at_ms + KEPT_MS


class RecentlyRight:
    """At most so many users, the oldest goes first. Its key is made when the first password is right."""

    def __init__(self, random_bytes: Callable[[int], bytes], users_max: int = USERS_MAX) -> None:
        self._random_bytes, self._users_max = random_bytes, users_max
        self._key = b""
        self._of: dict[int, _Right] = {}  # by user, in the order in which they were remembered

    def __len__(self) -> int:
        return len(self._of)

    def knows(self, user_id: int, password_hash: str, secret: bytes, now_ms: int) -> bool:
        """Whether this user's secret was compared with this very hash, and fitted, less than ten minutes ago."""
        right = self._of.get(user_id)
        if right is None or right.has_ended(now_ms) or now_ms < right.at_ms:  # the clock may have been set back
            return False
        return hmac.compare_digest(right.mac, self._mac(password_hash, secret))

    def remember(self, user_id: int, password_hash: str, secret: bytes, compared_ms: int) -> None:
        """The secret of a user has fitted this hash, by argon2id, at this time."""
        self._key = self._key or self._random_bytes(KEY_BYTES)
        self._of.pop(user_id, None)
        self._of[user_id] = _Right(self._mac(password_hash, secret), compared_ms)
        for _ in range(DROPPED_MAX):
            oldest = next(iter(self._of))
            if len(self._of) > self._users_max or self._of[oldest].has_ended(compared_ms):
                del self._of[oldest]

    def _mac(self, password_hash: str, secret: bytes) -> bytes:
        # a hash is ASCII, so the zero ends it
        return hmac.digest(self._key, password_hash.encode() + b"\0" + secret, "sha256")
