"""Packets in the name of a sponsor: bills, and events that the chat backend reports. For the chat backend alone."""

from __future__ import annotations

from typing import Final

import msgspec

from protocol.messages.base import Id, Int64, Message, Person

__all__ = [
    "ENTERPRISE",
    "ENTERPRISE_EQUAL",
    "ENTERPRISE_LUCKY",
    "BillFound",
    "BillLine",
    "BillSent",
    "Bills",
    "EventRangeSet",
    "EventReported",
    "GetBill",
    "GroupBillSent",
    "ListBills",
    "ReportEvent",
    "SendBill",
    "SendGroupBill",
    "SetEventRange",
]
ENTERPRISE: Final = "enterprise"  # a feature: the client knows packets of this kind, which others get as texts
ENTERPRISE_LUCKY: Final = "enterprise_lucky"  # the same, to a group: shares are drawn
ENTERPRISE_EQUAL: Final = "enterprise_equal"  # shares are even


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

    `packet_id`, `…_at_ms` and `refunded_fen` are 0 as long as there is none. A bill is for a user or for a group:
    the other id is 0. `received_at_ms`: when the last of its shares was opened.
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
    group_id: int = 0
    packet_kind: str = ENTERPRISE
    shares: int = 1
    opened_shares: int = 0
    opened_fen: int = 0


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


class SendGroupBill(Message, tag=96):
    """Send a packet to a group in a sponsor's name: `shares` shares of `amount_fen` in all.

    `packet_kind`: enterprise_lucky or enterprise_equal. The bounds of SendBill are those of a share. The same
    number with the same content finds it.
    """

    sponsor_id: Person
    bill_number: str
    group_id: Id
    packet_kind: str
    amount_fen: Int64
    shares: Int64
    greeting: str = ""
    scene_id: str = ""
    client_seed: bytes = b""


class GroupBillSent(BillSent, tag=196):
    """As BillSent."""


class ListBills(Message, tag=97):
    """The bills of a sponsor, the newest first. `cursor`: the `next_cursor` of the page before."""

    sponsor_id: Person
    cursor: str = ""


class BillLine(msgspec.Struct, array_like=True, gc=False):
    """A bill: the fields of BillSent behind its number."""

    sponsor_id: int
    bill_number: str
    user_id: int
    amount_fen: int
    status: str
    packet_id: int
    reason: str
    sent_at_ms: int
    received_at_ms: int
    refunded_fen: int
    group_id: int
    packet_kind: str
    shares: int
    opened_shares: int
    opened_fen: int


class Bills(Message, tag=197):
    """`next_cursor`: where older ones follow; empty: there are none."""

    bills: list[BillLine]
    next_cursor: str
