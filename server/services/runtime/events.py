"""Events: plain values that the bus carries and the hub turns into pushes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from server.core.decisions import Claim
from server.core.ledger import WalletBalance
from server.core.packet_request import Terms


class TextPost(NamedTuple):
    """A text in a group."""

    group_id: int
    message: int
    sender_id: int
    at_ms: int
    text: str


class PacketPost(NamedTuple):
    """A packet in a stream: a group's, or the inbox of a personal packet's receiver or sender.

    `at_ms`: when it was posted there, which is later than it was sent if it was sent again.
    """

    stream_id: int
    message: int
    terms: Terms
    at_ms: int


class Claimed(NamedTuple):
    """Claims on one packet are durable: the sender is told of each. `shares`: of the packet."""

    packet_id: int
    shares: int
    claims: Sequence[Claim]


class Finished(NamedTuple):
    """The last share was opened; told once to each stream that the packet was posted in."""

    terms: Terms
    stream_id: int
    took_ms: int
    best: Claim | None


class Refunded(NamedTuple):
    """The unopened rest came back to the sender."""

    packet_id: int
    sender_id: int
    refunded_fen: int


class ClaimsPost(NamedTuple):
    """In the sender's inbox: claims on a packet, each in one post. Also those told live as Claimed."""

    stream_id: int
    message: int
    at_ms: int
    terms: Terms
    claims: Sequence[Claim]


class FinishPost(NamedTuple):
    """In a group or the sender's inbox: the last share was opened, as told live as Finished."""

    stream_id: int
    message: int
    at_ms: int
    terms: Terms
    took_ms: int
    best: Claim | None


class RefundPost(NamedTuple):
    """In the sender's inbox: what came back, as told live as Refunded."""

    stream_id: int
    message: int
    at_ms: int
    terms: Terms
    refunded_fen: int


class RelayPost(NamedTuple):
    """In a group with a relay: the user with the best luck is to send the next packet, of this total."""

    stream_id: int
    message: int
    at_ms: int
    terms: Terms  # of the packet that is over
    user_id: int
    times: int
    amount_fen: int


class Added(NamedTuple):
    """Users were made members of a group, not by themselves."""

    group_id: int
    name: str
    owner_id: int
    last_message: int


class Removed(NamedTuple):
    """Users were removed from a group, not by themselves."""

    group_id: int


class AccessChange(NamedTuple):
    """The chat backend banned a user or let them in again, or revoked the tokens issued before `tokens_from_s`."""

    user_id: int
    is_banned: bool
    tokens_from_s: int


class CameOnline(NamedTuple):
    """A user has a connection at this server, and had none before."""

    user_id: int


class WentOffline(NamedTuple):
    """The last connection of a user at this server is gone."""

    user_id: int


class BalanceChange(NamedTuple):
    """A wallet changed; reason is a ledger kind in lower case. A later change may come first: see the version."""

    user_id: int
    balance: WalletBalance
    change_fen: int
    reason: str


Reminder: TypeAlias = ClaimsPost | FinishPost | RefundPost | RelayPost
Posted: TypeAlias = TextPost | PacketPost | Reminder
Event: TypeAlias = Posted | Claimed | Finished | Refunded | Added | Removed | BalanceChange
