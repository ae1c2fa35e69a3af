"""From words to ids: the packet, the conversation, the link that a command means."""

from __future__ import annotations

import re
from typing import Final

from client_sim.chat.commands import BadCommand
from client_sim.chat.model import OPEN, Card, Said
from client_sim.chat.session import Session

LINK: Final = re.compile(r"hbl_[A-Za-z0-9_-]{55}")


def find_packet(session: Session, packet_id: int = 0) -> int:
    """For 0 a packet on the screen: the newest that is open, otherwise the newest."""
    if packet_id:
        return packet_id
    cards = session.model.current.cards()
    still_open = [card for card in cards if card.packet.state == OPEN]
    if not cards:
        raise BadCommand("no_packet", "tap")
    return (still_open or cards)[-1].packet.packet_id


def find_group(session: Session, group: str) -> int:
    """A conversation by its id or name; "inbox" is the user's own."""
    conversations = session.model.conversations
    if group == "inbox":
        return session.model.user_id
    found = [one for one, known in conversations.items() if group in (str(one), known.name)]
    if len(found) != 1:
        raise BadCommand("no_such_group" if not found else "ambiguous_group", "go", group)
    return found[0]


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


def find_own_packet(session: Session) -> int:
    """The user's newest packet on the screen that can be sent again."""
    own = [card for card in session.model.current.cards() if _is_own_and_open(session, card)]
    if not own:
        raise BadCommand("nothing_to_send_again", "again")
    return own[-1].packet.packet_id


def _is_own_and_open(session: Session, card: Card) -> bool:
    packet = card.packet
    return packet.sender_id == session.model.user_id and packet.state not in ("gone", "expired")
