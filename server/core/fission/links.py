"""Passing a packet on (裂变): links from friend to friend. Pure: keys and times are arguments.

An opener makes a link and gives it to friends; who shows it is admitted one step deeper than its maker. The user
who received the packet is at depth 0. A link tells only the server whose it is: it may travel from chat to chat. It
is the text

    "hbl_" ‖ base64url(tag ‖ (content XOR HMAC-SHA256(key, "hongbao-link-content:" ‖ tag)))

without padding, where content is packet, 8 bytes ‖ maker, 8 ‖ depth of the maker, 1 ‖ expiry in seconds since 1970,
8, all big-endian, and tag is the first 16 bytes of HMAC-SHA256(key, "hongbao-link-tag:" ‖ content). So one key
hides and signs; the key also signs tokens. A link ends by its expiry.
"""

from __future__ import annotations

import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Final, NamedTuple

from server.core.packet_request import Terms
from server.core.refusals import Reason, RequestRefused

DEPTH_OF_TARGET: Final = 0
DEPTH_MAX: Final = 20  # more no config allows
_FORM: Final = re.compile(r"hbl_([A-Za-z0-9_-]{55})")
_CONTENT: Final = struct.Struct(">QQBQ")
_TAG_BYTES: Final = 16
_TAG: Final = b"hongbao-link-tag:"
_STREAM: Final = b"hongbao-link-content:"


class Link(NamedTuple):
    """What a link says: its maker, who is `depth` steps from the first opener, passes a packet on."""

    packet_id: int
    from_user: int
    depth: int
    expires_at_s: int

    @property
    def depth_of_friend(self) -> int:
        """How deep a friend is who shows it."""
        return self.depth + 1


def made(link: Link, key: bytes) -> str:
    """The text of a link: of the same content and key always the same."""
    content = _CONTENT.pack(*link)
    tag = _tag(content, key)
    return "hbl_" + urlsafe_b64encode(tag + _hidden(content, tag, key)).rstrip(b"=").decode()


def read(text: str, keys: Iterable[bytes], now_s: float) -> Link:
    """What a link says. Raises RequestRefused (BAD_LINK): no key signed it, or it has expired."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise RequestRefused(Reason.BAD_LINK, "link: it is hbl_ and 55 letters, digits, - and _")
    whole = urlsafe_b64decode(found[1] + "=")
    tag, hidden = whole[:_TAG_BYTES], whole[_TAG_BYTES:]
    for key in keys:
        content = _hidden(hidden, tag, key)
        if hmac.compare_digest(_tag(content, key), tag):
            link = Link(*_CONTENT.unpack(content))
            if now_s >= link.expires_at_s:
                raise RequestRefused(Reason.BAD_LINK, "link: it has expired")
            return link
    raise RequestRefused(Reason.BAD_LINK, "link: it is not signed with a key of this server")


def expiry_s(terms: Terms, now_ms: int, lifetime_s: float) -> int:
    """When a link that is made now ends: after its own lifetime, and with its packet at the latest."""
    return min(now_ms // 1000 + int(lifetime_s), -(-terms.expires_at_ms // 1000))


def check_depth(depth_of_friend: int, depth_max: int) -> None:
    """Raise RequestRefused (TOO_DEEP) if the packet may not go so far."""
    if depth_of_friend > depth_max:
        raise RequestRefused(Reason.TOO_DEEP, f"link: {depth_max} steps from the user who received it")


def may_be_admitted(terms: Terms, user_id: int) -> bool:
    """A link admits friends: neither the sender nor the user who received the packet, who may open it anyway."""
    return user_id not in (terms.sender_id, terms.target_id)


def _tag(content: bytes, key: bytes) -> bytes:
    return hmac.digest(key, _TAG + content, "sha256")[:_TAG_BYTES]


def _hidden(content: bytes, tag: bytes, key: bytes) -> bytes:
    """Hide the content, or what was hidden shows again."""
    stream = hmac.digest(key, _STREAM + tag, "sha256")
    return bytes(one ^ other for one, other in zip(content, stream, strict=False))
