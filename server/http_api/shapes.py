"""Requests and replies as they stand in JSON. Ids are strings, amounts are integers in fen, times ms since 1970.

The OpenAPI document is made from these shapes. Unknown fields of a request are refused.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from protocol.messages.base import MEMBERS_MAX
from protocol.messages.people import SYNCED_MAX, VERSION_MAX
from server.core.kinds import PacketKind
from server.core.pages import State
from server.http_api.numbers import Id, UserId

IdText = Annotated[str, Meta(pattern="^[1-9][0-9]{0,18}$")]
StreamText = Annotated[str, Meta(description="a group, a one-to-one chat, or the user's own id: their inbox")]
Fen = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1, description="fen (0.01 yuan)")]
Ms = Annotated[int, Meta(description="milliseconds since 1970 (UTC)")]
GroupText = Annotated[str, Meta(description="the id of a group in the chat backend: 1 to 64 bytes of UTF-8")]
Version = Annotated[
    int, Meta(ge=1, le=VERSION_MAX, description="grows with each change, for example a clock in milliseconds")
]
SyncVersion = Annotated[int, Meta(ge=0, le=VERSION_MAX, description="as Version; 0 forgets all recorded versions")]
Cursor = Annotated[str, Meta(max_length=64, description="next_cursor of the page before; none: the first page")]
Kind: TypeAlias = PacketKind
Answer: TypeAlias = Literal["won", "claimed", "gone", "expired", "busy"]
Hex = Annotated[str, Meta(pattern="^([0-9a-f]{2})*$")]


class Request(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The body or the query of a request."""


class Reply(msgspec.Struct, omit_defaults=True, gc=False):
    """The body of a reply."""


class ProblemDocument(Reply):
    """Why a request was refused (RFC 9457). `code` is stable; `temporary`: the same request may succeed later."""

    type: str
    title: str
    status: int
    code: str
    temporary: bool
    detail: str | UnsetType = UNSET
    pointer: str | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET


# --- users --------------------------------------------------------------------------------------------------------


class UserPut(Request):
    """A user who exists, and the name that others see; empty: none."""

    name: str = ""


class UserName(Reply):
    """A user and their name."""

    user_id: IdText
    name: str


class UserState(Reply):
    """A user. `arriving_fen`: shares that are recorded and not in the wallet yet."""

    user_id: IdText
    name: str
    banned: bool
    balance_fen: Fen
    arriving_fen: Fen


class UserBan(Reply):
    """Whether a user is banned."""

    user_id: IdText
    banned: bool


class TokensRevoked(Reply):
    """Tokens of the user are accepted if they were issued at `tokens_from_s` (seconds since 1970) or later."""

    user_id: IdText
    tokens_from_s: int


class TokenRequest(Request):
    """How long the token holds, in seconds; without it: as the config says."""

    lifetime_s: Annotated[int, Meta(ge=1, le=10 * 366 * 86_400)] | UnsetType = UNSET


class UserToken(Reply):
    """A login token for the user's client."""

    user_id: IdText
    token: str
    expires_at_s: int


# --- groups -------------------------------------------------------------------------------------------------------


class GroupPut(Request):
    """A group, made or changed. `audience`: a member list, or users who show a pass; it cannot be changed."""

    name: str
    owner_id: UserId | UnsetType = UNSET
    audience: Literal["members", "signature"] = "members"


class GroupPutReply(Reply):
    """The group and its id in hongbao."""

    group: GroupText
    group_id: IdText


class GroupState(Reply):
    """A group. No `owner_id`: no user owns it."""

    group: GroupText
    group_id: IdText
    name: str
    audience: Literal["members", "signature"]
    members: int
    owner_id: IdText | UnsetType = UNSET


class MemberPut(Request):
    """The version at which the user joined."""

    version: Version


class MemberDeleteQuery(Request):
    """The version at which the user left."""

    version: Version


class MembersSync(Request):
    """All members of a group at a version; newer changes of single members stay."""

    version: SyncVersion
    user_ids: Annotated[list[UserId], Meta(max_length=SYNCED_MAX)]


class MembersChange(Request):
    """Members who joined and left at a version. What is recorded of a member at a later version stays."""

    version: Version
    joined: Annotated[list[UserId], Meta(max_length=MEMBERS_MAX)] = []
    left: Annotated[list[UserId], Meta(max_length=MEMBERS_MAX)] = []


class MembersChanged(Reply):
    """How many joined and left by it, and how many members the group has now."""

    group_id: IdText
    joined: int
    left: int
    members: int


class PageQuery(Request):
    """Where a page begins."""

    cursor: Cursor = ""


class MemberPage(Reply):
    """Members by their ids. `next_cursor` is there if there are more."""

    group_id: IdText
    user_ids: list[IdText]
    next_cursor: str | UnsetType = UNSET


class ChatReply(Reply):
    """The one-to-one chat of two users; a personal packet may be sent to its id."""

    chat_id: IdText


# --- packets ------------------------------------------------------------------------------------------------------


class PacketSend(Request):
    """A packet on behalf of a user: to a `group` of the chat backend, or to a `target_id`.

    `target_id` is the id in hongbao of a group (lucky, equal), of a user or a one-to-one chat (personal).
    `amount_fen` is the total (lucky, personal) or the amount of one share (equal). `client_seed`: 16 to 32 random
    bytes of the sender in hex.
    """

    sender_id: UserId
    kind: Kind
    amount_fen: Fen
    shares: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] = 1
    group: GroupText | UnsetType = UNSET
    target_id: Id | UnsetType = UNSET
    greeting: str = ""
    client_seed: Hex = ""


class PacketSent(Reply):
    """The packet. `commitment` binds the server to its shares; `seed_index`: the sender's seed that it uses."""

    packet_id: IdText
    total_fen: Fen
    commitment: str
    expires_at_ms: Ms
    seed_index: int | UnsetType = UNSET


class PacketState(Reply):
    """A packet, with what is recorded of it. `left_fen` goes back to the sender when it expires."""

    packet_id: IdText
    kind: Kind
    state: State
    sender_id: IdText
    target_id: IdText
    total_fen: Fen
    shares: int
    opened: int
    left_fen: Fen
    greeting: str
    created_at_ms: Ms
    expires_at_ms: Ms


class ClaimLine(Reply):
    """One share that was opened; `index` counts from 0."""

    index: int
    user_id: IdText
    amount_fen: Fen
    at_ms: Ms


class ClaimPage(Reply):
    """The claims of a packet in the order of their indexes. `next_cursor` is there if there are more."""

    packet_id: IdText
    claims: list[ClaimLine]
    next_cursor: str | UnsetType = UNSET


class PacketOpen(Request):
    """Who opens the packet."""

    user_id: UserId


class PacketOpened(Reply):
    """What the user got: `won` now, or `claimed` before. `busy`: others hold tickets, ask again after a while."""

    packet_id: IdText
    answer: Answer
    amount_fen: Fen | UnsetType = UNSET
    index: int | UnsetType = UNSET
    left_shares: int | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET


class PacketSendAgain(Request):
    """Announce an unfinished packet again: to one more group of its sender, or without one where it was sent."""

    sender_id: UserId
    group: GroupText | UnsetType = UNSET
    group_id: Id | UnsetType = UNSET


class PacketSentAgain(Reply):
    """The message that announces it, where its sender sees it."""

    packet_id: IdText
    stream_id: StreamText
    message: int


# --- wallets and records ------------------------------------------------------------------------------------------


class TopUp(Request):
    """Money from outside. `known_only`: a user that the server does not know is refused, not made."""

    amount_fen: Fen
    known_only: bool = False


class Withdraw(Request):
    """Money to the outside."""

    amount_fen: Fen


class Moved(Reply):
    """The transfer is in the books. The balance is in the wallet itself: it may have changed since."""

    user_id: IdText
    transfer: Literal["top_up", "withdraw"]
    amount_fen: Fen


class EntryLine(Reply):
    """One change of a wallet, and the balance after it. `packet_id`: if a packet moved the money."""

    version: int
    at_ms: Ms
    reason: str
    change_fen: Fen
    balance_fen: Fen
    packet_id: IdText | UnsetType = UNSET


class EntryPage(Reply):
    """Changes of a wallet, oldest first. `next_cursor` is where to go on, also when there are no more yet."""

    user_id: IdText
    entries: list[EntryLine]
    more: bool
    next_cursor: str


class RecordsQuery(Request):
    """What a user sent or received in a year of Beijing time (none: this one), from the newest on."""

    direction: Literal["sent", "received"]
    year: Annotated[int, Meta(ge=0, le=9999)] = 0
    cursor: Cursor = ""


class RecordLine(Reply):
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


class RecordPage(Reply):
    """Totals of the whole year, and a page of its packets. `next_cursor` is there if there are more."""

    user_id: IdText
    direction: Literal["sent", "received"]
    year: int
    years: list[int]
    packets: int
    total_fen: Fen
    best_lucks: int
    lines: list[RecordLine]
    next_cursor: str | UnsetType = UNSET
