"""The state of a chat: conversations, the texts and packets in them, and how each packet stands. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from client_sim.chat.clean import line
from client_sim.sdk.pushes import Post
from protocol import messages

ENTRIES_MOST = 500  # of a conversation
NAMES_MOST = 10_000
OPEN, CLAIMED, GONE, EXPIRED = "open", "claimed", "gone", "expired"  # the states of a packet for this user


@dataclass(slots=True)
class Packet:
    """A red packet as this user knows it. `amount_fen` is the user's own share, 0 without one."""

    packet_id: int
    kind: str
    sender_id: int
    shares: int
    greeting: str
    expires_at_ms: int
    state: str = OPEN
    amount_fen: int = 0
    for_user_ids: tuple[int, ...] = ()  # whom an exclusive packet is for, the first of them
    turn: Turn | None = None  # who is to send the next one, once this one is over

    def move(self, state: str, amount_fen: int = 0) -> bool:
        """Change the state; whether it has changed. A claimed packet stays claimed."""
        if self.state == CLAIMED or state == self.state:
            return False
        self.state, self.amount_fen = state, amount_fen
        return True


class Said(NamedTuple):
    """A text."""

    message: int
    sender_id: int
    at_ms: int
    text: str


class Card(NamedTuple):
    """A packet, as it was pushed. A packet that is sent again has one card for each time."""

    message: int
    sender_id: int
    at_ms: int
    packet: Packet


class Turn(NamedTuple):
    """In a group with the relay rule: who is to send the next packet, and of how much."""

    message: int
    at_ms: int
    packet_id: int
    user_id: int
    amount_fen: int
    shares: int


class Notice(NamedTuple):
    """A small grey line: `key` in the table of texts, and the name and the amount in it."""

    key: str
    name: str
    amount_fen: int


Numbered = Said | Card | Turn
Entry = Numbered | Notice


@dataclass(slots=True)
class Conversation:
    """A group, a one-to-one chat or, under the user's own id, the inbox, where personal packets arrive."""

    stream_id: int
    name: str
    owner_id: int
    last_message: int = 0  # when the conversation became known; older posts are history
    entries: list[Entry] = field(default_factory=list)
    unread: int = 0
    is_loaded: bool = False
    is_one_to_one: bool = False
    newest: int = 0  # the number of the last text or packet among the entries

    def add(self, entry: Entry) -> None:
        """Append an entry; the oldest one is dropped when there are too many."""
        self.entries.append(entry)
        del self.entries[:-ENTRIES_MOST]
        if not isinstance(entry, Notice):
            self.newest = entry.message

    def add_history(self, entries: list[Numbered]) -> None:
        """Insert older entries before those that are there."""
        first = next((one.message for one in self.entries if not isinstance(one, Notice)), None)
        before = [one for one in entries if first is None or one.message < first]
        self.entries[:0] = before
        if first is None and before:
            self.newest = before[-1].message
        self.is_loaded = True

    def restart(self, last_message: int) -> None:
        """Too many posts were missed: drop the entries, so that the newest posts are loaded again."""
        self.entries.clear()
        self.last_message, self.newest, self.is_loaded = last_message, 0, False

    def cards(self) -> list[Card]:
        """The packets in it, oldest first."""
        return [entry for entry in self.entries if isinstance(entry, Card)]

    def turn_of(self, user_id: int) -> Turn | None:
        """The turn of a user who has sent no packet since."""
        for entry in reversed(self.entries):
            if isinstance(entry, Turn) and entry.user_id == user_id:
                return entry
            if isinstance(entry, Card) and entry.sender_id == user_id:
                return None
        return None


class Names:
    """The names of users, as far as they are known; bounded."""

    def __init__(self) -> None:
        self._names: OrderedDict[int, str] = OrderedDict()

    def __getitem__(self, user_id: int) -> str:
        """The name, made safe for a terminal; the id of a user without one."""
        return self._names.get(user_id) or str(user_id)

    def learn(self, user_id: int, name: str) -> None:
        """Take over a name; "" for a user without one."""
        self._names[user_id] = line(name)
        self._names.move_to_end(user_id)
        while len(self._names) > NAMES_MOST:
            self._names.popitem(last=False)

    def missing(self, user_ids: list[int]) -> list[int]:
        """Those of these users whose names were never learned, each once."""
        return [user_id for user_id in dict.fromkeys(user_ids) if user_id not in self._names]

    def with_name(self, name: str, user_ids: list[int]) -> list[int]:
        """Those of these users who have this name."""
        return [user_id for user_id in user_ids if self._names.get(user_id) == name]


class Model:
    """The whole state. Posts go in; the session asks and the screens draw."""

    def __init__(self, user_id: int) -> None:
        self.user_id = user_id
        self.names = Names()
        self.balance_fen = 0
        self.arriving_fen = 0  # shares that are not in the wallet yet
        self.current_id = user_id
        self.conversations: dict[int, Conversation] = {user_id: Conversation(user_id, "", user_id)}
        self._packets: dict[int, Packet] = {}

    def conversation_name(self, stream_id: int) -> str:
        """The name of a conversation of this user; "": it is none of them."""
        found = self.conversations.get(stream_id)
        return "" if found is None else found.name

    @property
    def current(self) -> Conversation:
        """The conversation on the screen."""
        return self.conversations[self.current_id]

    @property
    def is_first_run(self) -> bool:
        """No group and nothing in the inbox: the user must be told what to do."""
        return len(self.conversations) == 1 and not self.current.entries

    def go(self, stream_id: int) -> None:
        """Put a conversation on the screen."""
        self.current_id = stream_id
        self.current.unread = 0

    def add(self, place: messages.StreamPosition) -> bool:
        """Add or update a conversation that this user is in; whether it is new."""
        known = self.conversations.get(place.stream_id)
        if known is None:
            known = self.conversations[place.stream_id] = Conversation(
                place.stream_id, line(place.name), place.owner_id, place.last_message
            )
            known.is_one_to_one = not place.name
            return True
        # a push may have added a group before the reply to a join, which has the name
        if place.stream_id != self.user_id and not known.is_one_to_one:
            known.name, known.owner_id = line(place.name), place.owner_id
            known.is_one_to_one = not place.name
        if not known.is_loaded and not known.entries:
            known.last_message = place.last_message
        return False

    def remove(self, stream_id: int) -> Conversation | None:
        """This user is in it no longer. The inbox is never removed."""
        if stream_id == self.user_id:
            return None
        removed = self.conversations.pop(stream_id, None)
        if self.current_id == stream_id:
            self.go(next(iter(reversed(self.conversations))))
        return removed

    def packet(self, packet_id: int) -> Packet | None:
        """A packet that was pushed."""
        return self._packets.get(packet_id)

    def entry(self, post: Post, now_ms: int) -> Numbered:
        """The entry of a post. A packet that was pushed before is the same packet."""
        if isinstance(post, messages.TextPosted):
            return Said(post.message, post.sender_id, post.at_ms, line(post.text))
        if isinstance(post, messages.RelayPosted):
            return self._turn(post)
        packet = self._packets.get(post.packet_id)
        if packet is None:
            state = EXPIRED if post.expires_at_ms <= now_ms else OPEN
            packet = self._packets[post.packet_id] = Packet(
                post.packet_id,
                post.packet_kind,
                post.sender_id,
                post.shares,
                line(post.greeting),
                post.expires_at_ms,
                state,
                for_user_ids=tuple(post.for_user_ids),
            )
        return Card(post.message, post.sender_id, post.at_ms, packet)

    def _turn(self, post: messages.RelayPosted) -> Turn:
        turn = Turn(post.message, post.at_ms, post.packet_id, post.user_id, post.amount_fen, post.shares)
        if (packet := self._packets.get(post.packet_id)) is not None:
            packet.turn = turn
        return turn

    def posted(self, post: Post, now_ms: int) -> Numbered | None:
        """Add a pushed post to its conversation. None if it is there already, as part of the history."""
        conversation = self.conversations.setdefault(
            post.stream_id, Conversation(post.stream_id, str(post.stream_id), 0, post.message - 1)
        )
        if post.message <= conversation.newest:
            return None
        entry = self.entry(post, now_ms)
        conversation.add(entry)
        if post.stream_id != self.current_id:
            conversation.unread += 1
        self._forget_packets()
        return entry

    def home_of(self, packet_id: int) -> Conversation | None:
        """The conversation with this packet's card, first the one on the screen."""
        for one in (self.current, *self.conversations.values()):
            if any(card.packet.packet_id == packet_id for card in one.cards()):
                return one
        return None

    def expire(self, now_ms: int) -> list[Packet]:
        """Move the packets whose time is over to the state expired; those that were moved."""
        over = [one for one in self._packets.values() if one.state == OPEN and one.expires_at_ms <= now_ms]
        return [one for one in over if one.move(EXPIRED)]

    def _forget_packets(self) -> None:
        """Keep only packets with a card, once there are many others."""
        if len(self._packets) > 2 * ENTRIES_MOST * len(self.conversations):
            shown = {card.packet.packet_id for one in self.conversations.values() for card in one.cards()}
            self._packets = {key: value for key, value in self._packets.items() if key in shown}
