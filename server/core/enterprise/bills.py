"""Bills: packets that the chat backend sends in a sponsor's name, each under a bill number of its own. Pure.

A bill is for a user, who gets a packet of one share, or for a group: a packet of several shares, drawn or even. The
bounds of the amount are those of a share.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

from server.core.amounts import Caps
from server.core.ids import is_user
from server.core.kinds import Allocation, PacketKind, SentBy
from server.core.limits import Limits, check_number, check_text
from server.core.refusals import Reason, RequestRefused

NUMBER: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
NUMBER_BYTES_MAX: Final = 48  # also of those that the server makes
NO_SCENE: Final = ""
KEY: Final = "bill:"  # of the packet of a bill, before its number
TO_GROUP: Final = tuple(kind for kind in PacketKind if kind.row.sent_by is SentBy.BILLS and kind.row.goes_to_group)


class BillStatus(StrEnum):
    """How far a bill is; the values are those that backends know from payment services."""

    SENDING = "SENDING"  # asked for; whether the packet is recorded is not known yet
    SENT = "SENT"
    FAILED = "FAILED"  # no packet was sent; the same number may be tried again
    RECEIVED = "RECEIVED"
    REFUNDING = "RFUND_ING"  # it has expired, and the refund follows
    REFUNDED = "REFUND"


class BillRules(NamedTuple):
    """The bounds of the config. Amounts in fen; a `…_a_day` of 0 has no bound."""

    fen_min: int
    fen_max: int
    scene_fen_max: int
    scenes: tuple[str, ...]
    event_fen_min: int
    user_packets_a_day: int
    user_fen_a_day: int
    group_packets_a_day: int
    group_fen_a_day: int


class BillContent(NamedTuple):
    """What a bill says; the columns of its record."""

    sponsor_id: int
    number: str
    target_id: int
    amount_fen: int
    greeting: str
    scene: str
    kind: str
    shares: int


class BillRequest(NamedTuple):
    """A packet to a user or a group in a sponsor's name. `scene`: why it may be smaller or larger than usual."""

    sponsor_id: int
    number: str
    target_id: int
    amount_fen: int  # in all
    greeting: str
    scene: str = NO_SCENE
    client_seed: bytes = b""  # no content of the number: the first one counts
    kind: PacketKind = PacketKind.ENTERPRISE
    shares: int = 1

    @property
    def content(self) -> BillContent:
        """What must be the same when the number is used again."""
        return BillContent(*self[:6], self.kind, self.shares)

    @property
    def key(self) -> str:
        """The idempotency key of its packet."""
        return f"{KEY}{self.number}"


class SentPacket(NamedTuple):
    """What is recorded of the packet of a bill."""

    packet_id: int
    opened: bool  # all shares of it
    expires_at_ms: int
    closed: bool


def group_kind(text: str) -> PacketKind:
    """The kind of a packet to a group that a bill asks for. Raises RequestRefused."""
    for kind in TO_GROUP:
        if kind == text:
            return kind
    raise RequestRefused(Reason.BAD_TARGET, f"packet_kind: {' or '.join(TO_GROUP)}, not {text[:20]!r}")


def check(one: BillRequest, rules: BillRules, limits: Limits) -> None:
    """Raise RequestRefused at the first rule that a request of the chat backend breaks."""
    if not NUMBER.fullmatch(one.number):
        raise RequestRefused(Reason.BAD_KEY, "bill_number: 1 to 32 letters, digits, - and _")
    check_content(one, rules, limits)


def check_content(one: BillRequest, rules: BillRules, limits: Limits) -> None:
    """Raise RequestRefused if the amount, the scene or the greeting is none that is allowed."""
    check_text("greeting", one.greeting, 0, limits.greeting_bytes_max, Reason.BAD_GREETING)
    if one.target_id == one.sponsor_id:
        raise RequestRefused(Reason.BAD_TARGET, "user_id: a packet cannot be sent to its sender")
    if is_user(one.target_id) != one.kind.row.goes_to_user:
        wanted = "a user" if one.kind.row.goes_to_user else "a group"
        raise RequestRefused(Reason.BAD_TARGET, f"packet_kind: {one.kind} goes to {wanted}")
    if one.scene not in (NO_SCENE, *rules.scenes):
        raise RequestRefused(Reason.BAD_SCENE, "scene_id: it is none of those in the config")
    most = limits.shares_max if one.kind.row.goes_to_group else 1
    check_number("shares", one.shares, 1, most, Reason.BAD_SHARES)
    _check_amount(one, rules)


def _check_amount(one: BillRequest, rules: BillRules) -> None:
    """Each share is within the bounds; of a packet with even shares the amount is so many of them."""
    low, high = share_caps(one, rules)
    why = "without a scene" if one.scene == NO_SCENE else ""
    if one.shares > 1:
        why = f"{one.shares} shares of {low} to {high} each{', ' * bool(why)}{why}"
    check_number("amount_fen", one.amount_fen, low * one.shares, high * one.shares, Reason.BAD_AMOUNT, why=why)
    if one.kind.row.allocation is Allocation.EVEN and one.amount_fen % one.shares:
        raise RequestRefused(Reason.BAD_AMOUNT, f"amount_fen: {one.amount_fen} makes no {one.shares} even shares")


def share_caps(one: BillRequest, rules: BillRules) -> Caps:
    """What a share is worth at least and at most."""
    return Caps(rules.fen_min, rules.fen_max) if one.scene == NO_SCENE else Caps(1, rules.scene_fen_max)


def most_a_day(rules: BillRules, to_group: bool) -> tuple[int, int]:
    """How many packets a user or a group gets of a sponsor in a day, and how much in all; 0: without a bound."""
    if to_group:
        return rules.group_packets_a_day, rules.group_fen_a_day
    return rules.user_packets_a_day, rules.user_fen_a_day


def status_of(packet: SentPacket | None, failed: str, now_ms: int) -> BillStatus:
    """How far a bill is: what is recorded of its packet decides, then whether it was refused."""
    if packet is None:
        return BillStatus.FAILED if failed else BillStatus.SENDING
    if packet.opened:
        return BillStatus.RECEIVED
    if packet.closed:
        return BillStatus.REFUNDED
    return BillStatus.REFUNDING if now_ms >= packet.expires_at_ms else BillStatus.SENT
