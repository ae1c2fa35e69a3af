"""Passes: how a chat backend vouches that a user is in a group, without keeping the group's member list here.

A pass is `group.user.issued.expiry.key-id.mac`, and mac is HMAC-SHA256(key, "hongbao-pass:group.user.issued.expiry.
key-id"), with a key that also signs tokens. The prefix makes sure that no token is a pass, and no pass a token. A
server refuses a pass that is valid for more than 24 hours.

A pass without a time of issue, `group.user.expiry.key-id.mac`, is older than every pass that has one.
"""

from __future__ import annotations

import hmac
from typing import Final, NamedTuple

from protocol import claims
from protocol.messages.base import ID_MAX, INT64_MAX, USER_ID_MAX

_PREFIX: Final = "hongbao-pass:"


class BadPass(ValueError):
    """The text is not a pass."""


class Pass(NamedTuple):
    """A pass taken apart. `mac` shows that it is genuine; `issued_at_s` is 0 in a pass without a time of issue."""

    group_id: int
    user_id: int
    expires_at_s: int
    key_id: str
    mac: bytes
    issued_at_s: int = 0

    def __str__(self) -> str:
        return f"{_claim(*self[:4], self.issued_at_s)}.{self.mac.hex()}"


def mint(group_id: int, user_id: int, expires_at_s: int, key_id: str, key: bytes, issued_at_s: int = 0) -> Pass:
    """A pass for a user to a group until `expires_at_s`, made at `issued_at_s` (seconds since 1970)."""
    text = _PREFIX + _claim(group_id, user_id, expires_at_s, key_id, issued_at_s)
    return Pass(group_id, user_id, expires_at_s, key_id, hmac.digest(key, text.encode(), "sha256"), issued_at_s)


def parse(text: str) -> Pass:
    """The pass that a text is. Raises BadPass; only the server can tell whether it is genuine."""
    try:
        group, user, *issued, expiry, key_id, mac = text.strip().split(".")
        issued_at_s = 0
        if issued:
            (issue,) = issued
            issued_at_s = claims.number(issue, 1, INT64_MAX)
        group_id, user_id = claims.number(group, 1, ID_MAX), claims.number(user, 1, USER_ID_MAX)
        return Pass(group_id, user_id, claims.number(expiry, 0, INT64_MAX), key_id, claims.mac(mac), issued_at_s)
    except ValueError as error:
        raise BadPass("a pass must look like group.user.issued.expiry.key-id.mac") from error


def _claim(group_id: int, user_id: int, expires_at_s: int, key_id: str, issued_at_s: int) -> str:
    issued = f"{issued_at_s}." if issued_at_s else ""
    return f"{group_id}.{user_id}.{issued}{expires_at_s}.{key_id}"
