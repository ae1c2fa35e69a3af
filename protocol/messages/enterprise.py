"""Packets in the name of a sponsor: bills, and events that the chat backend reports. For the chat backend alone."""

from __future__ import annotations

from typing import Final

from protocol.messages.base import Int64, Message, Person

__all__ = [
    "ENTERPRISE",
    "BillFound",
    "BillSent",
    "EventRangeSet",
    "EventReported",
    "GetBill",
    "ReportEvent",
    "SendBill",
    "SetEventRange",
]
ENTERPRISE: Final = "enterprise"  # a feature: the client knows packets of this kind, which others get as texts


class SendBill(Message, tag=92):
    """Send a packet to a user in a sponsor's name. The same number with the same content finds it.

    `scene_id`: one of the server's config, for an amount that is smaller or larger than usual. `client_seed` as in
    SendPacket.
    """

    sponsor_id: Person
    bill_number: str
    user_id: Person
    amount_fen: Int64
    greeting: str = ""
    scene_id: str = ""
    client_seed: bytes = b""


class BillSent(Message, tag=192):
    """A bill. `status`: SENDING, SENT, FAILED (`reason`), RECEIVED, RFUND_ING or REFUND.

    `packet_id`, `…_at_ms` and `refunded_fen` are 0 as long as there is none.
    """

    sponsor_id: int
    bill_number: str
    user_id: int
    amount_fen: int
    status: str
    packet_id: int = 0
    reason: str = ""
    sent_at_ms: int = 0
    received_at_ms: int = 0
    refunded_fen: int = 0


class GetBill(Message, tag=93):
    """How far a bill is."""

    sponsor_id: Person
    bill_number: str


class BillFound(BillSent, tag=193):
    """As BillSent."""


class ReportEvent(Message, tag=94):
    """A user has followed a sponsor or signed up: `event_kind` is follow or sign_up. Once for each `event_id`."""

    sponsor_id: Person
    event_id: str
    event_kind: str
    user_id: Person


class EventReported(BillSent, tag=194):
    """The bill of the packet that the user gets, as BillSent; `bill_number` is "" if there is none."""


class SetEventRange(Message, tag=95):
    """What a sponsor gives for an event of a kind from now on: an amount in this range. Both 0: nothing."""

    sponsor_id: Person
    event_kind: str
    low_fen: Int64
    high_fen: Int64
    greeting: str = ""


class EventRangeSet(Message, tag=195):
    """The commitment to the seed from which amounts are drawn, and the seed of the range before, if any."""

    sponsor_id: int
    event_kind: str
    commitment: bytes
    revealed_seed: bytes
