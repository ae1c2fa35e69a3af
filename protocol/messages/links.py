"""Passing packets on: links that an opener makes, and a friend shows."""

from __future__ import annotations

from typing import Final

from protocol.messages.base import Id, Message
from protocol.messages.pages import OpenPageShown

__all__ = ["FISSION", "LinkTapped", "PassOn", "PassedOn", "TapLink"]

FISSION: Final = "fission"  # a feature: the client knows packets of this kind, which others get as texts


class PassOn(Message, tag=90):
    """A link to a packet that I have opened and that friends may open after me. `language`: of its text."""

    packet_id: Id
    language: str = "zh"


class PassedOn(Message, tag=190):
    """`link` admits who shows it (TapLink), until `expires_at_ms`. `text` is what a friend reads, the link in it.

    Of the seed user `depth` is 0, of a friend who came by a link of theirs 1.
    """

    packet_id: int
    link: str
    depth: int
    expires_at_ms: int
    text: str = ""

    def __repr__(self) -> str:
        return f"PassedOn(seq={self.seq}, packet_id={self.packet_id}, depth={self.depth}, …)"


class TapLink(Message, tag=91):
    """Tap a packet by the link of a friend: I may open it from now on. Again is harmless."""

    link: str
    language: str = "zh"

    def __repr__(self) -> str:
        return f"TapLink(seq={self.seq}, …)"


class LinkTapped(OpenPageShown, tag=191):
    """As OpenPageShown; `packet_id` is where the link leads."""
