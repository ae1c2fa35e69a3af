"""Bills: packets that the chat backend sends in a sponsor's name, each under a bill number of its own. Pure."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

from server.core.limits import Limits, check_number, check_text
from server.core.refusals import Reason, RequestRefused

NUMBER: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
NUMBER_BYTES_MAX: Final = 48  # also of those that the server makes
NO_SCENE: Final = ""


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


class BillRequest(NamedTuple):
    """A packet to one user in a sponsor's name. `scene`: why it may be smaller or larger than usual."""

    sponsor_id: int
    number: str
    user_id: int
    amount_fen: int
    greeting: str
    scene: str = NO_SCENE
    client_seed: bytes = b""  # no content of the number: the first one counts

    @property
    def key(self) -> str:
        """The idempotency key of its packet."""
        return f"bill:{self.number}"


class SentPacket(NamedTuple):
    """What is recorded of the packet of a bill."""

    packet_id: int
    opened: bool
    expires_at_ms: int
    closed: bool


def check(one: BillRequest, rules: BillRules, limits: Limits) -> None:
    """Raise RequestRefused at the first rule that a request of the chat backend breaks."""
    if not NUMBER.fullmatch(one.number):
        raise RequestRefused(Reason.BAD_KEY, "bill_number: 1 to 32 letters, digits, - and _")
    check_content(one, rules, limits)


def check_content(one: BillRequest, rules: BillRules, limits: Limits) -> None:
    """Raise RequestRefused if the amount, the scene or the greeting is none that is allowed."""
    check_text("greeting", one.greeting, 0, limits.greeting_bytes_max, Reason.BAD_GREETING)
    if one.user_id == one.sponsor_id:
        raise RequestRefused(Reason.BAD_TARGET, "user_id: a packet cannot be sent to its sender")
    if one.scene == NO_SCENE:
        why = "without a scene"
        check_number("amount_fen", one.amount_fen, rules.fen_min, rules.fen_max, Reason.BAD_AMOUNT, why=why)
        return
    if one.scene not in rules.scenes:
        raise RequestRefused(Reason.BAD_SCENE, "scene_id: it is none of those in the config")
    check_number("amount_fen", one.amount_fen, 1, rules.scene_fen_max, Reason.BAD_AMOUNT)


def status_of(packet: SentPacket | None, failed: str, now_ms: int) -> BillStatus:
    """How far a bill is: what is recorded of its packet decides, then whether it was refused."""
    if packet is None:
        return BillStatus.FAILED if failed else BillStatus.SENDING
    if packet.opened:
        return BillStatus.RECEIVED
    if packet.closed:
        return BillStatus.REFUNDED
    return BillStatus.REFUNDING if now_ms >= packet.expires_at_ms else BillStatus.SENT
