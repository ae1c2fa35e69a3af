"""Requests and replies on wallets and records."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from server.core.pages import State
from server.http_api.shapes.base import (
    Cursor,
    Fen,
    IdText,
    Kind,
    Ms,
    Reply,
    Request,
)


class TopUpBody(Request):
    """Money from outside. `known_only`: a user that the server does not know is refused, not made."""

    amount_fen: Fen
    known_only: bool = False


class WithdrawBody(Request):
    """Money to the outside."""

    amount_fen: Fen


class TransferReply(Reply):
    """The transfer is in the books. The balance is in the wallet itself: it may have changed since."""

    user_id: IdText
    transfer: Literal["top_up", "withdraw"]
    amount_fen: Fen


class EntryShown(Reply):
    """One change of a wallet, and the balance after it.

    If a packet moved the money: `packet_id`, and in `other_id` the user who sent it (a claim), or the group or the
    user that it was for. If it came from outside or went there: `key`, the Idempotency-Key of the transfer.
    """

    version: int
    at_ms: Ms
    reason: str
    change_fen: Fen
    balance_fen: Fen
    packet_id: IdText | UnsetType = UNSET
    other_id: IdText | UnsetType = UNSET
    key: str | UnsetType = UNSET


class EntryPageReply(Reply):
    """Changes of a wallet, oldest first. `next_cursor` is where to go on, also when there are no more yet."""

    user_id: IdText
    entries: list[EntryShown]
    more: bool
    next_cursor: str


class RecordsQuery(Request):
    """What a user sent or received in a year of Beijing time (none: this one), from the newest on."""

    direction: Literal["sent", "received"]
    year: Annotated[int, Meta(ge=0, le=9999)] = 0
    cursor: Cursor = ""


class RecordShown(Reply):
    """One packet. Received: from whom, and the user's share. Sent: to whom or where, and the total."""

    packet_id: IdText
    kind: Kind
    at_ms: Ms
    other_id: IdText
    name: str
    amount_fen: Fen
    shares: int
    opened: int
    state: State
    best_luck: bool


class RecordPageReply(Reply):
    """Totals of the whole year, and a page of its packets. `next_cursor` is there if there are more."""

    user_id: IdText
    direction: Literal["sent", "received"]
    year: int
    years: list[int]
    packets: int
    total_fen: Fen
    best_lucks: int
    lines: list[RecordShown]
    next_cursor: str | UnsetType = UNSET
