"""What happened, for whoever wants to know: plain values that the hub turns into pushes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from server.core.ledger import WalletBalance
from server.core.packet import Claim, Terms


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
    """Claims on one packet are durable: the sender hears of each."""

    terms: Terms
    claims: Sequence[Claim]


class Finished(NamedTuple):
    """The last share was opened; told once to each stream that the packet was posted in."""

    terms: Terms
    stream_id: int
    took_ms: int
    best: Claim | None


class Refunded(NamedTuple):
    """What nobody opened came back to the sender."""

    packet_id: int
    sender_id: int
    refunded_fen: int


class Removed(NamedTuple):
    """The owner threw a user out of a group."""

    group_id: int


class BalanceChange(NamedTuple):
    """A wallet changed; reason is a ledger kind in lower case. A later change may come first: see the version."""

    user_id: int
    balance: WalletBalance
    change_fen: int
    reason: str


Event: TypeAlias = TextPost | PacketPost | Claimed | Finished | Refunded | Removed | BalanceChange
