"""Requests and replies on packets."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, UnsetType

from server.config.rules import FEN_MAX, SHARES_MAX
from server.core.pages import State
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


class PacketSendBody(Request):
    """A packet on behalf of a user: to a `group` of the chat backend, or to a `target_id`.

    `target_id` is the id in hongbao of a group (lucky, equal), of a user or a one-to-one chat (personal).
    The wallet is debited `amount_fen` (lucky, personal), or `shares` times `amount_fen` (equal). A personal packet
    has one share.
    """

    sender_id: UserId
    kind: SentKind
    amount_fen: Annotated[
        int, asked(1, FEN_MAX, "in " + FEN + ": the total (lucky, personal), or what ONE share holds (equal)")
    ]
    shares: Annotated[int, asked(1, SHARES_MAX, "at most one for each member of the group")] = 1
    group: GroupText | UnsetType = UNSET
    target_id: Id | UnsetType = UNSET
    greeting: str = ""
    client_seed: Seed = ""


class PacketSendReply(Reply):
    """The packet. `commitment` binds the server to its shares; `seed_index`: the sender's seed that it uses."""

    packet_id: IdText
    total_fen: Fen
    commitment: str
    expires_at_ms: Ms
    seed_index: int | UnsetType = UNSET


class PacketReply(Reply):
    """A packet, with what is recorded of it. `left_fen` goes back to the sender when it expires."""

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
    """Who opens the packet."""

    user_id: UserId


class PacketOpenReply(Reply):
    """What the user got: `won` now, or `claimed` before. `busy`: others hold tickets, ask again after a while."""

    packet_id: IdText
    answer: Answer
    amount_fen: Fen | UnsetType = UNSET
    index: Count | UnsetType = UNSET
    left_shares: Count | UnsetType = UNSET
    retry_after_ms: Count | UnsetType = UNSET


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
