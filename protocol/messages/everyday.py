"""Packets for everyday chats: the features of clients that know their kinds, and saying the words of one."""

from __future__ import annotations

from typing import Final

from protocol.messages.base import Id, Message

__all__ = ["EXCLUSIVE", "PASSWORD", "SayWords", "WordsSaid"]

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
