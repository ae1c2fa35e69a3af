"""Invites to the app: signed, each with a number of seats, and each seat is taken once. Pure.

The text of an invite is `first.seats.issued.expiry.key-id.mac`. A person who comes by it becomes the first of the
users `first`, `first + 1`, … whose seat is free. mac is HMAC-SHA256(key, "hongbao-invite:
first.seats.issued.expiry.key-id"), with a key that also signs tokens; the prefix makes sure that no token, pass or
link is an invite. An invite stands in the fragment of a url, which no browser sends: the page sends it in the body
of a request.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final, NamedTuple

from protocol import claims
from protocol.messages.base import INT64_MAX, USER_ID_MAX

SEATS_MAX: Final = 100
LIFETIME_MAX_S: Final = 86_400
_PREFIX: Final = "hongbao-invite:"


class BadInvite(Exception):
    """The invite admits no user now; the message says why."""


class InviteClaim(NamedTuple):
    """What an invite says: the users whose seats it has, and its times in seconds since 1970."""

    first_user_id: int
    seats: int
    issued_at_s: int
    expires_at_s: int


def mint(claim: InviteClaim, key_id: str, key: bytes) -> str:
    """The text of an invite."""
    text = f"{'.'.join(map(str, claim))}.{key_id}"
    return f"{text}.{_mac(text, key).hex()}"


def verify(invite: str, key_of: Callable[[str], bytes | None], now_s: float) -> tuple[InviteClaim, str]:
    """What an invite says, and the id of its key. `key_of` knows the keys by id. Raises BadInvite."""
    text, _, shown = invite.rpartition(".")
    try:
        first, seats, issued, expiry, key_id = text.split(".")
        claim = InviteClaim(
            claims.number(first, 1, USER_ID_MAX - SEATS_MAX),
            claims.number(seats, 1, SEATS_MAX),
            claims.number(issued, 1, INT64_MAX),
            claims.number(expiry, 1, INT64_MAX),
        )
        mac = claims.mac(shown)
    except ValueError:
        raise BadInvite("an invite looks like first.seats.issued.expiry.key-id.mac") from None
    key = key_of(key_id)
    if key is None or not hmac.compare_digest(_mac(text, key), mac):
        raise BadInvite("the invite is not signed with a key of this server")
    if now_s >= claim.expires_at_s or claim.expires_at_s > claim.issued_at_s + LIFETIME_MAX_S:
        raise BadInvite("the invite has expired, or lasts more than a day")
    return claim, key_id


def _mac(text: str, key: bytes) -> bytes:
    return hmac.digest(key, (_PREFIX + text).encode(), "sha256")
