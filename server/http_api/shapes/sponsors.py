"""Requests and replies on packets in the name of a sponsor."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from server.config.rules import FEN_MAX, SHARES_MAX
from server.core.enterprise.bills import BillStatus
from server.core.enterprise.events import EventKind
from server.http_api.numbers import Id, UserId
from server.http_api.shapes.base import FEN, Count, Fen, GroupText, IdText, Ms, Reply, Request, Seed, asked

BillKind: TypeAlias = Literal["enterprise", "enterprise_lucky", "enterprise_equal"]
BillNumber = Annotated[str, Meta(description="1 to 32 letters, digits, - and _; unique for the sponsor")]


class BillBody(Request):
    """A packet to a user (`user_id`), or with `packet_kind` and `shares` to a group (`group` or `group_id`).

    `amount_fen`: in all. `scene_id`: one of the config, for shares that are smaller or larger than usual.
    """

    bill_number: BillNumber
    amount_fen: Annotated[int, asked(1, FEN_MAX, FEN)]
    user_id: UserId | UnsetType = UNSET
    group: GroupText | UnsetType = UNSET
    group_id: Id | UnsetType = UNSET
    packet_kind: BillKind = "enterprise"
    shares: Annotated[int, asked(1, SHARES_MAX, "how many users of a group may open it")] = 1
    greeting: str = ""
    scene_id: str = ""
    client_seed: Seed = ""


class SponsorBillReply(Reply):
    """A bill, and how far it is: `FAILED` has a `reason`, and may be tried again under the same number.

    `received_at_ms`: once all shares are opened.
    """

    sponsor_id: IdText
    bill_number: str
    packet_kind: BillKind
    amount_fen: Fen
    status: BillStatus
    user_id: IdText | UnsetType = UNSET
    group_id: IdText | UnsetType = UNSET
    shares: Count = 1
    opened_shares: Count = 0
    opened_fen: Fen = 0
    packet_id: IdText | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    sent_at_ms: Ms | UnsetType = UNSET
    received_at_ms: Ms | UnsetType = UNSET
    refunded_fen: Fen | UnsetType = UNSET


class BillPageReply(Reply):
    """Bills of a sponsor, those that were asked for last first. `next_cursor` is there if there are older ones."""

    bills: list[SponsorBillReply]
    next_cursor: str | UnsetType = UNSET


class EventBody(Request):
    """A user has followed the sponsor, or signed up. `event_id`: 1 to 64 characters, unique for the sponsor."""

    event_id: str
    event_kind: EventKind
    user_id: UserId


class EventReply(Reply):
    """The event, and the bill of the packet that the user gets, if the sponsor gives one."""

    event_id: str
    user_id: IdText
    bill_number: str | UnsetType = UNSET
    amount_fen: Fen | UnsetType = UNSET
    status: BillStatus | UnsetType = UNSET
    packet_id: IdText | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class EventRangeBody(Request):
    """What the sponsor gives: an amount in this range, drawn for each user from a seed. Both 0: nothing."""

    low_fen: Fen
    high_fen: Fen
    greeting: str = ""


class EventRangeReply(Reply):
    """`commitment` binds the server to the amounts (hex); `revealed_seed` proves those of the range before."""

    event_kind: EventKind
    commitment: str
    revealed_seed: str | UnsetType = UNSET
