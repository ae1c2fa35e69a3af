"""Events that the chat backend reports: a packet for each user who follows a sponsor or signs up. Pure.

The amount is one of the sponsor's range, drawn from a seed that was made with the range:

    amount = low + HMAC-SHA256(seed, user as 8 bytes) mod (high - low + 1)
    commitment = SHA-256("hongbao event packet" ‖ seed ‖ sponsor, 8 ‖ kind, prefixed ‖ low, 8 ‖ high, 8)

with numbers big-endian, and "prefixed" meaning one byte with the length before the bytes. The commitment is told
when the range is set, and the seed when another range replaces it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from enum import StrEnum
from typing import Final, NamedTuple

from server.core.enterprise.bills import BillRules
from server.core.limits import Limits, check_number, check_text
from server.core.refusals import Reason, RequestRefused

SEED_BYTES: Final = 32
EVENT_ID: Final = re.compile(r"[\x21-\x7e]{1,64}")
_TAG: Final = b"hongbao event packet"


class EventKind(StrEnum):
    """What a user did; the values stand on the wire and in the records."""

    FOLLOW = "follow"
    SIGN_UP = "sign_up"


class EventRange(NamedTuple):
    """What a sponsor gives for an event of a kind: an amount from low to high, in fen."""

    sponsor_id: int
    kind: EventKind
    low_fen: int
    high_fen: int
    greeting: str

    def amount_fen(self, seed: bytes, user_id: int) -> int:
        """The amount for a user: always the same."""
        drawn = int.from_bytes(hmac.digest(seed, user_id.to_bytes(8, "big"), "sha256"), "big")
        return self.low_fen + drawn % (self.high_fen - self.low_fen + 1)

    def commitment(self, seed: bytes) -> bytes:
        """What is told when the range is set."""
        sponsor, kind = self.sponsor_id.to_bytes(8, "big"), self.kind.encode()
        bounds = self.low_fen.to_bytes(8, "big") + self.high_fen.to_bytes(8, "big")
        return hashlib.sha256(_TAG + seed + sponsor + bytes([len(kind)]) + kind + bounds).digest()

    def bill_number(self, user_id: int) -> str:
        """One for a user and kind of event. The chat backend gives no number with a point."""
        return f"event.{self.kind}.{user_id}"


def kind_of(text: str) -> EventKind:
    """The kind of event of this name. Raises RequestRefused."""
    try:
        return EventKind(text)
    except ValueError:
        raise RequestRefused(Reason.BAD_REQUEST, f"event_kind: {', '.join(EventKind)}, not {text[:20]!r}") from None


def check_event_id(text: str) -> None:
    """Raise RequestRefused unless it is an id of an event."""
    if not EVENT_ID.fullmatch(text):
        raise RequestRefused(Reason.BAD_KEY, "event_id: 1 to 64 printable ASCII characters without spaces")


def check_range(one: EventRange, rules: BillRules, limits: Limits) -> None:
    """Raise RequestRefused if a sponsor may not give so much, or so little."""
    check_text("greeting", one.greeting, 0, limits.greeting_bytes_max, Reason.BAD_GREETING)
    check_number("low_fen", one.low_fen, rules.event_fen_min, rules.fen_max, Reason.BAD_AMOUNT)
    check_number("high_fen", one.high_fen, one.low_fen, rules.fen_max, Reason.BAD_AMOUNT)
