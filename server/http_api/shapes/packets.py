"""Requests and replies on packets."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, UnsetType

from server.config.rules import FEN_MAX, SHARES_MAX
from server.core.pages import State
from server.core.texts import Language
from server.http_api.numbers import Id, UserId
from server.http_api.shapes.base import (
    FEN,
    Answer,
    Count,
    Fen,
    GroupText,
    IdText,
    Kind,
    Ms,
    Reply,
    Request,
    Seed,
    SentKind,
    StreamText,
    asked,
)

AMOUNT: Final = "in " + FEN + ": the total (lucky, password, personal), or what ONE share holds (equal, exclusive)"
SHARES: Final = "at most one for each member of the group; none given: 1, or one for each user named"


class PacketSendBody(Request):
    """A packet on behalf of a user: to a `group` of the chat backend, or to a `target_id`.

    `target_id` is the id in hongbao of a group, or of a user or a one-to-one chat (personal, fission). The wallet
    is debited `amount_fen` (lucky, password, personal, fission), or `shares` times `amount_fen` (equal, exclusive).
    A personal packet has one share, a fission packet at least three. An exclusive one is for the members of the
    group in `for_user_ids`, one share each: `shares` need not be given. A password one is opened by users who say
    its `words`. With `send_at_ms` it is paid now and posted then.
    """

    sender_id: UserId
    kind: SentKind
    amount_fen: Annotated[int, asked(1, FEN_MAX, AMOUNT)]
    shares: Annotated[int, asked(1, SHARES_MAX, SHARES)] | UnsetType = UNSET
    group: GroupText | UnsetType = UNSET
    target_id: Id | UnsetType = UNSET
    greeting: str = ""
    client_seed: Seed = ""
    for_user_ids: list[UserId] = msgspec.field(default_factory=list)
    words: str = ""
    send_at_ms: int = 0


class PacketSendReply(Reply):
    """The packet. `commitment` binds the server to its shares; `seed_index`: the sender's seed that it uses."""

    packet_id: IdText
    total_fen: Fen
    commitment: str
    expires_at_ms: Ms
    seed_index: int | UnsetType = UNSET


class PacketReply(Reply):
    """A packet, with what is recorded of it. `left_fen` goes back to the sender when it expires.

    `for_user_ids`: whom an exclusive one is for.
    """

    packet_id: IdText
    kind: Kind
    state: State
    sender_id: IdText
    target_id: IdText
    total_fen: Fen
    shares: Count
    opened: Count
    left_fen: Fen
    greeting: str
    created_at_ms: Ms
    expires_at_ms: Ms
    for_user_ids: list[IdText] | UnsetType = UNSET


class ClaimShown(Reply):
    """One share that was opened; `index` counts from 0."""

    index: Count
    user_id: IdText
    amount_fen: Fen
    at_ms: Ms


class ClaimPageReply(Reply):
    """The claims of a packet in the order of their indexes. `next_cursor` is there if there are more."""

    packet_id: IdText
    claims: list[ClaimShown]
    next_cursor: str | UnsetType = UNSET


class PacketOpenBody(Request):
    """Who opens the packet; of a fission packet the first time with the `link` of a friend.

    `words`: those of a password packet, which become a text of the user in the group.
    """

    user_id: UserId
    link: str = ""
    words: str = ""


class PacketOpenReply(Reply):
    """What the user got: `won` now, or `claimed` before. `busy`: others hold tickets, ask again after a while."""

    packet_id: IdText
    answer: Answer
    amount_fen: Fen | UnsetType = UNSET
    index: Count | UnsetType = UNSET
    left_shares: Count | UnsetType = UNSET
    retry_after_ms: Count | UnsetType = UNSET


class PassOnBody(Request):
    """Who passes a fission packet on, and the language of the text."""

    user_id: UserId
    language: Language = Language.ZH


class PassOnReply(Reply):
    """The link, for friends of the user alone: who shows it may open a share. `text`: what a friend reads, with it.

    `depth`: steps from the user who received the packet.
    """

    packet_id: IdText
    link: str
    depth: Count
    expires_at_ms: Ms
    text: str


class SendAgainBody(Request):
    """Announce an unfinished packet again: to one more group of its sender, or without one where it was sent."""

    sender_id: UserId
    group: GroupText | UnsetType = UNSET
    group_id: Id | UnsetType = UNSET


class SendAgainReply(Reply):
    """The message that announces it, where its sender sees it."""

    packet_id: IdText
    stream_id: StreamText
    message: int


class ScheduledShown(Reply):
    """A packet that waits for its time."""

    packet_id: IdText
    kind: Kind
    target_id: IdText
    total_fen: Fen
    shares: Count
    greeting: str
    send_at_ms: Ms
    expires_at_ms: Ms


class ScheduledReply(Reply):
    """The packets of a user that wait for their time, the next one first; at most 100."""

    user_id: IdText
    packets: list[ScheduledShown]


class CancelBody(Request):
    """Whose packet is cancelled."""

    sender_id: UserId


class CancelReply(Reply):
    """What came back to the sender."""

    packet_id: IdText
    refunded_fen: Fen
