"""Links to the page of a packet: signed, for one packet and one user, for a short time. Pure.

The secret part of a link is `packet.user.issued.expiry.key-id.mac`, and mac is HMAC-SHA256(key, "hongbao-page:
packet.user.issued.expiry.key-id"), with a key that also signs tokens. The prefix makes sure that no token or pass
is a link. It stands in the fragment of the url, which no browser sends: the page sends it in a header.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlencode

from protocol import claims
from protocol.messages.base import ID_MAX, INT64_MAX, USER_ID_MAX

HEADER: Final = "Hongbao-Link"
_PREFIX: Final = "hongbao-page:"


class BadLink(Exception):
    """The link is not valid now; the message says why, for the programmer of the chat backend."""


class LinkClaim(NamedTuple):
    """What a link says: its user may see and open its packet until `expires_at_s` (seconds since 1970)."""

    packet_id: int
    user_id: int
    issued_at_s: int
    expires_at_s: int


def mint(claim: LinkClaim, key_id: str, key: bytes) -> str:
    """The secret part of a link."""
    text = f"{'.'.join(map(str, claim))}.{key_id}"
    return f"{text}.{_mac(text, key).hex()}"


def verify(link: str, key_of: Callable[[str], bytes | None], now_s: float) -> LinkClaim:
    """What the secret part of a link says. `key_of` knows the keys by id. Raises BadLink."""
    text, _, shown = link.rpartition(".")
    try:
        packet, user, issued, expiry, key_id = text.split(".")
        claim = LinkClaim(
            claims.number(packet, 1, ID_MAX),
            claims.number(user, 1, USER_ID_MAX),
            claims.number(issued, 1, INT64_MAX),
            claims.number(expiry, 1, INT64_MAX),
        )
        mac = claims.mac(shown)
    except ValueError:
        raise BadLink("the link of a page looks like packet.user.issued.expiry.key-id.mac") from None
    key = key_of(key_id)
    if key is None or not hmac.compare_digest(_mac(text, key), mac):
        raise BadLink("the link is not signed with a key of this server")
    if now_s >= claim.expires_at_s:
        raise BadLink("the link has expired: make a new one")
    return claim


def url(base: str, shell: str, link: str, card: Mapping[str, str]) -> str:
    """The url of a page: all that is this packet's stands in the fragment, so all packets have one shell."""
    fields = {name: text for name, text in card.items() if text}
    return f"{base}/c/{shell}#{urlencode({'signed': link, **fields})}"


def _mac(text: str, key: bytes) -> bytes:
    return hmac.digest(key, (_PREFIX + text).encode(), "sha256")
