"""Packets for everyday chats: features of clients that know them, words, packets for later, the relay of groups."""

from __future__ import annotations

from typing import Final

import msgspec

from protocol.messages.base import Id, Int64, Message

__all__ = [
    "EXCLUSIVE",
    "PASSWORD",
    "RELAY",
    "CancelScheduled",
    "GetRelay",
    "GetScheduled",
    "RelayPosted",
    "RelaySet",
    "RelayShown",
    "SayWords",
    "ScheduledCancelled",
    "ScheduledLine",
    "ScheduledPackets",
    "SetRelay",
    "WordsSaid",
]

# Features: the client knows packets of this kind, which others get as texts.
EXCLUSIVE: Final = "exclusive"
PASSWORD: Final = "password"  # not a password of anyone
RELAY: Final = "relay"  # the client reads RelayPosted


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
    """A packet that waits. `target_id` is a group or the receiver; `for_user_ids`: whom an exclusive one is for."""

    packet_id: int
    packet_kind: str
    target_id: int
    total_fen: int
    shares: int
    greeting: str
    send_at_ms: int
    expires_at_ms: int
    for_user_ids: list[int] = msgspec.field(default_factory=list)


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


class SetRelay(Message, tag=78):
    """Owner only, or the chat backend: after a lucky packet here the user with the best luck is reminded to send
    the next one, with `times` (1 to 3) times the best share. 0: no such rule.
    """

    group_id: Id
    times: Int64


class RelaySet(Message, tag=178):
    group_id: int
    times: int


class GetRelay(Message, tag=79):
    """The rule of a group that I am in; the chat backend may ask of any group."""

    group_id: Id


class RelayShown(Message, tag=179):
    group_id: int
    times: int


class RelayPosted(Message, tag=89):
    """Push in a group with the rule: `packet_id` is over, and `user_id`, who had the best luck, is next.

    The next packet is to have `shares` shares and `amount_fen` in all, `times` times the best share.
    """

    stream_id: int
    message: int
    at_ms: int
    packet_id: int
    user_id: int
    times: int
    amount_fen: int
    shares: int
