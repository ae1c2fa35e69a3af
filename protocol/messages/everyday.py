"""Packets for everyday chats: features of clients that know their kinds, words of packets, packets for later."""

from __future__ import annotations

from typing import Final

import msgspec

from protocol.messages.base import Id, Message

__all__ = [
    "EXCLUSIVE",
    "PASSWORD",
    "CancelScheduled",
    "GetScheduled",
    "SayWords",
    "ScheduledCancelled",
    "ScheduledLine",
    "ScheduledPackets",
    "WordsSaid",
]

# Features: the client knows packets of this kind, which others get as texts.
EXCLUSIVE: Final = "exclusive"
PASSWORD: Final = "password"  # not a password of anyone


class SayWords(Message, tag=75):
    """Say the words of a password packet. Right ones become a text of mine in its group, once: then I may grab."""

    packet_id: Id
    words: str

    def __repr__(self) -> str:
        return f"SayWords(seq={self.seq}, packet_id={self.packet_id}, …)"


class WordsSaid(Message, tag=175):
    """`answer` is right, now or before, or what a grab answers: claimed, gone, expired or not_allowed."""

    packet_id: int
    answer: str


class GetScheduled(Message, tag=76):
    """My packets that wait for their time."""


class ScheduledLine(msgspec.Struct, array_like=True, gc=False):
    """A packet that waits. `target_id` is a group or the receiver."""

    packet_id: int
    packet_kind: str
    target_id: int
    total_fen: int
    shares: int
    greeting: str
    send_at_ms: int
    expires_at_ms: int


class ScheduledPackets(Message, tag=176):
    """The next one first; at most 100."""

    packets: list[ScheduledLine]


class CancelScheduled(Message, tag=77):
    """Cancel my packet before its time. Again is harmless."""

    packet_id: Id


class ScheduledCancelled(Message, tag=177):
    """This came back."""

    packet_id: int
    refunded_fen: int
