"""Passes: how a chat backend vouches that a user is in a group, without keeping the group's member list here.

A pass is `group.user.expiry.key-id.mac`, and mac is HMAC-SHA256(key, "hongbao-pass:group.user.expiry.key-id"), with
a key that also signs tokens. The prefix makes sure that no token is a pass, and no pass a token. A server refuses
a pass that is valid for more than 24 hours.
"""

from __future__ import annotations

import hmac
from typing import Final, NamedTuple

_PREFIX: Final = "hongbao-pass:"


class BadPass(ValueError):
    """The text is not a pass."""


class Pass(NamedTuple):
    """A pass taken apart. `mac` shows that it is genuine."""

    group_id: int
    user_id: int
    expires_at_s: int
    key_id: str
    mac: bytes

    def __str__(self) -> str:
        return f"{_claim(*self[:4])}.{self.mac.hex()}"


def mint(group_id: int, user_id: int, expires_at_s: int, key_id: str, key: bytes) -> Pass:
    """A pass for a user to a group until `expires_at_s` (seconds since 1970)."""
    text = _PREFIX + _claim(group_id, user_id, expires_at_s, key_id)
    return Pass(group_id, user_id, expires_at_s, key_id, hmac.digest(key, text.encode(), "sha256"))


def parse(text: str) -> Pass:
    """The pass that a text is. Raises BadPass; only the server can tell whether it is genuine."""
    try:
        group_id, user_id, expires_at_s, key_id, mac = text.strip().split(".")
        return Pass(int(group_id), int(user_id), int(expires_at_s), key_id, bytes.fromhex(mac))
    except ValueError as error:
        raise BadPass("a pass must look like group.user.expiry.key-id.mac") from error


def _claim(group_id: int, user_id: int, expires_at_s: int, key_id: str) -> str:
    return f"{group_id}.{user_id}.{expires_at_s}.{key_id}"
