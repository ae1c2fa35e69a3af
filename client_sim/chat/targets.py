"""Passing on: the packet, the conversation, the link that a command means."""

from __future__ import annotations

import re
from typing import Final

from client_sim.chat.commands import BadCommand
from client_sim.chat.model import Said
from client_sim.chat.session import Session
from client_sim.chat.users import find_group

LINK: Final = re.compile(r"hbl_[A-Za-z0-9_-]{55}")


def find_to_pass_on(session: Session, packet_id: int = 0) -> int:
    """For 0 the newest packet that the user can pass on: by a link of a friend, or received in the inbox."""
    if packet_id or session.last_linked:
        return packet_id or session.last_linked
    cards = [card for one in session.model.conversations.values() for card in one.cards()]
    passable = [card.packet.packet_id for card in cards if card.packet.kind == "fission"]
    if not passable:
        raise BadCommand("no_packet", "pass-on")
    return max(passable)


def place_to_pass_on(session: Session, group: str = "") -> int:
    """The conversation that a link is said in: the one on the screen, or another one; 0: none, in the inbox."""
    place = find_group(session, group) if group else session.model.current_id
    return 0 if place == session.model.user_id else place


def find_link(session: Session, link: str = "") -> str:
    """A link as it was typed, or the newest one in the conversation on the screen."""
    if link:
        return link
    said = [one.text for one in session.model.current.entries if isinstance(one, Said)]
    found = [found[0] for text in said if (found := LINK.search(text))]
    if not found:
        raise BadCommand("no_link", "open-link")
    return found[-1]
