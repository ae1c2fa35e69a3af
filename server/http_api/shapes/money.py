"""Requests and replies on wallets and records."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from server.core.ledger import BETWEEN_SETS, DIRECTIONS, MOVE_FEN_MAX, Account, TransferKind
from server.core.pages import State
from server.http_api.numbers import UserId
from server.http_api.shapes.base import (
    FEN,
    Cursor,
    Fen,
    FenChange,
    IdText,
    Kind,
    Ms,
    Reply,
    Request,
    asked,
)

Moved = Annotated[int, asked(1, MOVE_FEN_MAX, FEN)]
REASONS: Final = [
    kind.name.lower()
    for kind in TransferKind
    if kind not in BETWEEN_SETS and any(Account.WALLET in accounts for accounts in DIRECTIONS[kind])
]
EntryReason = Annotated[str, Meta(description="what changed the wallet", extra_json_schema={"enum": REASONS})]


class TopUpBody(Request):
    """Money from outside, for a user that the server knows: by `PUT`, as a member, or from a login.

    `known_only` false: for any user, who is known from then on.
    """

    amount_fen: Moved
    known_only: bool = True


class WithdrawBody(Request):
    """Money to the outside."""

    amount_fen: Moved


class TransferBody(Request):
    """Money to another user, with a text for both."""

    to_user_id: UserId
    amount_fen: Moved
    text: str = ""


class PayBody(Request):
    """Money to the outside, for what the text says."""

    amount_fen: Moved
    text: str = ""


class TransferReply(Reply):
    """The transfer is in the books. The balance is in the wallet itself: it may have changed since."""

    user_id: IdText
    transfer: Literal["top_up", "withdraw", "transfer", "pay"]
    amount_fen: Fen


class EntryShown(Reply):
    """One change of a wallet, and the balance after it. `packet_id`: if a packet moved the money."""

    version: int
    at_ms: Ms
    reason: EntryReason
    change_fen: FenChange
    balance_fen: Fen
    packet_id: IdText | UnsetType = UNSET


class EntryPageReply(Reply):
    """Changes of a wallet, oldest first. `next_cursor` is where to go on, also when there are no more yet."""

    user_id: IdText
    entries: list[EntryShown]
    more: bool
    next_cursor: str


class StatementShown(Reply):
    """One change of a wallet, and the balance after it. `packet_id` and `packet_kind`: if a packet moved the money.

    `other_id` and `other_name`: whom a claim came from; where a packet was sent, also when the rest of it came
    back; the other user of a transfer. They are absent for money from and to the outside: that has the `key` of its
    request, of a payment its number. `text`: of a transfer or a pay; of a payment by card the card.
    """

    version: int
    at_ms: Ms
    reason: EntryReason
    change_fen: FenChange
    balance_fen: Fen
    packet_id: IdText | UnsetType = UNSET
    packet_kind: Kind | UnsetType = UNSET
    other_id: IdText | UnsetType = UNSET
    other_name: str | UnsetType = UNSET
    key: str | UnsetType = UNSET
    text: str | UnsetType = UNSET


class StatementReply(Reply):
    """A page of a statement, newest first. `next_cursor` is there if there are more."""

    user_id: IdText
    lines: list[StatementShown]
    next_cursor: str | UnsetType = UNSET


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
