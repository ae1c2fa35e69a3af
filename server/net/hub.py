"""The hub: users who are online, and pushes to them. A push is encoded once; no receiver is waited for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from protocol import codes, messages
from protocol.framing import Frame
from server.core.ids import BACKEND
from server.core.ledger import EMPTY, WalletBalance
from server.core.limits import Limits
from server.net.read_budget import ReadBudget
from server.net.reminder_encoding import feature_of, packet_as_text, packet_posted, reminder
from server.net.token_bucket import TokenBucket
from server.services.runtime import events
from server.services.runtime.bus import Bus

if TYPE_CHECKING:
    from server.net.session import Session

AT_ONCE: Final = 500  # users who are pushed one event before the loop serves others: some milliseconds


class User:
    """A user who is online: their connections, the requests that they may still make, the newest balance told."""

    __slots__ = ("balance", "reads", "requests", "sessions", "user_id")

    def __init__(self, user_id: int, requests: TokenBucket) -> None:
        self.user_id = user_id
        self.sessions: list[Session] = []
        self.requests = requests
        self.reads: ReadBudget | None = None  # most users read little, and seldom
        self.balance = EMPTY


class Announcement(NamedTuple):
    """An event, and the users who are still to be told."""

    push: Push
    event: events.Event
    present: list[User]
    audience: Collection[int]


class Hub:
    """The users who are online. A user's bucket outlives their connections until it would be full again."""

    def __init__(self, limits: Limits, bus: Bus) -> None:
        self._limits = limits
        self._users: dict[int, User] = {}
        self._unfinished: dict[int, deque[Announcement]] = {}  # by stream: what was announced to some users so far
        self.pushes = 0
        bus.subscribe(self.announce, *PUSHES)
        bus.subscribe(self.end_sessions, events.AccessChange)
        bus.know_clients(self.awaits, self.user_ids)

    def join(self, user_id: int, session: Session, now_s: float) -> bool:
        """A connection of a user is there; False if it would be one too many."""
        user = self._known(user_id, now_s)
        if len(user.sessions) >= self._limits.connections_of_user_max and user_id != BACKEND:
            return False
        user.sessions.append(session)
        return True

    def _known(self, user_id: int, now_s: float) -> User:
        user = self._users.get(user_id)
        if user is None:
            user = self._users[user_id] = User(user_id, TokenBucket(self._limits.requests_burst, now_s))
        return user

    def admit(self, user_id: int, now_s: float) -> float:
        """Let a user make one request: 0.0, or the seconds until they may.

        Also one who is not online, for whom the chat backend asks.
        """
        limits, user = self._limits, self._users.get(user_id) or self._known(user_id, now_s)
        return user.requests.take(now_s, limits.requests_per_s, limits.requests_burst)

    def debt_s(self, user_id: int, now_s: float) -> float:
        """How long a user must wait before the next read; 0.0: not at all."""
        user = self._users.get(user_id)
        return 0.0 if user is None or user.reads is None else user.reads.debt_s(self._limits, now_s)

    def charge(self, user_id: int, now_s: float, size: int, rows: int) -> None:
        """So much was read to a user, who may be gone by now."""
        user = self._users.get(user_id)
        if user is None:
            return
        if user.reads is None:
            user.reads = ReadBudget(self._limits, now_s)
        user.reads.charge(self._limits, now_s, size, rows)

    def leave(self, user_id: int, session: Session) -> None:
        """A connection of a user has gone."""
        user = self._users.get(user_id)
        if user is not None and session in user.sessions:
            user.sessions.remove(session)

    def sessions(self, user_id: int) -> Sequence[Session]:
        """The connections of a user; not to be kept."""
        user = self._users.get(user_id)
        return user.sessions if user is not None else ()

    def tidy(self, now_s: float) -> None:
        """Forget users who are gone and whose bucket is full again."""
        per_s, burst = self._limits.requests_per_s, self._limits.requests_burst
        for user_id, user in list(self._users.items()):
            if user.reads is not None and user.reads.is_full(self._limits, now_s):
                user.reads = None
            if not user.sessions and user.reads is None and user.requests.is_full(now_s, per_s, burst):
                del self._users[user_id]

    def online(self) -> int:
        """How many users have a connection."""
        return len(self.user_ids())

    def user_ids(self) -> list[int]:
        """The users who have a connection, also one that waits for its welcome."""
        return [user_id for user_id, user in self._users.items() if user.sessions]

    def end_sessions(self, event: events.AccessChange, audience: Collection[int]) -> None:
        """End the connections that a user may no longer have."""
        for session in list(self.sessions(event.user_id)):
            if event.is_banned:
                session.close(codes.Close.BANNED)
            elif session.issued_at_s < event.tokens_from_s:
                session.close(codes.Close.TOKEN_REVOKED)

    def newest(self, user_id: int, balance: WalletBalance) -> WalletBalance:
        """The newest balance known of this user; the given one may have been overtaken meanwhile."""
        user = self._users.get(user_id)
        if user is None:
            return balance
        if balance.version >= user.balance.version:
            user.balance = balance
        return user.balance

    def announce(self, event: events.Event, audience: Collection[int]) -> None:
        """Push an event to those of its audience who are online."""
        if isinstance(event, events.BalanceChange):
            event = event._replace(balance=self.newest(event.user_id, event.balance))
        push, present = PUSHES[type(event)], self._present(audience)
        if not self._unfinished and len(present) <= AT_ONCE:
            self._push(push, event, present)
            return
        stream_id = _stream_of(event)
        if stream_id in self._unfinished:  # posts of a stream keep their order
            self._unfinished[stream_id].append(Announcement(push, event, present, audience))
            return
        self._push(push, event, present[:AT_ONCE])
        if len(present) > AT_ONCE:
            rest = Announcement(push, event, present[AT_ONCE:], audience)
            self._unfinished[stream_id] = deque([rest])
            asyncio.get_running_loop().call_soon(self._go_on, stream_id)

    def _go_on(self, stream_id: int) -> None:
        """The next part of an announcement to very many users. Other work of the loop comes in between."""
        queue = self._unfinished[stream_id]
        push, event, present, audience = queue.popleft()
        still = [user for user in present[:AT_ONCE] if user.user_id in audience]  # some may have left meanwhile
        self._push(push, event, still)
        if len(present) > AT_ONCE:
            queue.appendleft(Announcement(push, event, present[AT_ONCE:], audience))
        if queue:
            asyncio.get_running_loop().call_soon(self._go_on, stream_id)
        else:
            del self._unfinished[stream_id]

    def _push(self, push: Push, event: events.Event, users: Iterable[User]) -> None:
        payloads: dict[bool, list[bytes]] = {}  # most events have few readers, and some none
        framed: dict[tuple[Frame, bool], bytes] = {}
        feature = push.feature_of(event)
        for user in users:
            for session in user.sessions:
                if push.in_welcome and session.holds_pushes:
                    continue
                is_known = not feature or feature in session.features
                if not is_known and push.instead is None:
                    continue
                form = frame, _ = session.frame, is_known
                if form not in framed:
                    if is_known not in payloads:
                        payloads[is_known] = push.payloads(event, is_known=is_known)
                    framed[form] = b"".join([frame(payload) for payload in payloads[is_known]])
                session.push(framed[form], push.can_wait)
                self.pushes += 1

    def awaits(self, event: type[events.Event], audience: Collection[int]) -> bool:
        """Whether a client of this audience is online that reads such an event."""
        feature = PUSHES[event].feature if event in PUSHES else ""
        sessions = (session for user in self._present(audience) for session in user.sessions)
        return any(not feature or feature in session.features for session in sessions)

    def _present(self, audience: Collection[int]) -> list[User]:
        users = self._users
        if len(audience) > len(users):
            return [user for user_id, user in users.items() if user_id in audience]
        return [user for user_id in audience if (user := users.get(user_id)) is not None]


def _stream_of(event: Any) -> int:
    """The stream that an event belongs to; 0 for one that concerns a single user."""
    found: int = getattr(event, "stream_id", 0) or getattr(event, "group_id", 0)
    return found


def _text_posted(event: events.TextPost) -> Iterator[messages.Message]:
    yield messages.TextPosted(0, event.group_id, event.message, event.sender_id, event.at_ms, event.text)


def _packet_posted(event: events.PacketPost) -> Iterator[messages.Message]:
    yield packet_posted(event)


def _packet_as_text(event: events.PacketPost) -> Iterator[messages.Message]:
    yield packet_as_text(event)


def _reminder(event: events.Reminder) -> Iterator[messages.Message]:
    yield reminder(event)


def _claimed(event: events.Claimed) -> Iterator[messages.Message]:
    packet_id, shares = event.terms.packet_id, event.terms.shares
    for claim in event.claims:
        left_shares = shares - claim.index - 1
        yield messages.ClaimNotice(0, packet_id, claim.user_id, claim.index, claim.amount_fen, left_shares)


def _finished(event: events.Finished) -> Iterator[messages.Message]:
    terms, best = event.terms, event.best
    user_id, amount_fen = (best.user_id, best.amount_fen) if best is not None else (0, 0)
    yield messages.PacketFinished(
        0, terms.packet_id, event.stream_id, terms.shares, event.took_ms, user_id, amount_fen
    )


def _refunded(event: events.Refunded) -> Iterator[messages.Message]:
    yield messages.PacketRefunded(0, event.packet_id, event.refunded_fen)


def _added(event: events.Added) -> Iterator[messages.Message]:
    yield messages.AddedToGroup(0, *event)


def _removed(event: events.Removed) -> Iterator[messages.Message]:
    yield messages.RemovedFromGroup(0, event.group_id)


def _balance_changed(event: events.BalanceChange) -> Iterator[messages.Message]:
    yield messages.BalanceChanged(0, event.balance.fen, event.change_fen, event.reason, event.balance.version)


class Push(NamedTuple):
    """How an event is told. A push that `can_wait` leaves with the next message that cannot.

    A push that is `in_welcome` is left out for a connection that waits for its welcome, which contains it.
    """

    messages: Callable[[Any], Iterable[messages.Message]]
    can_wait: bool
    in_welcome: bool = False
    feature: str = ""  # told to clients that know it; the others catch up on it as a text
    instead: Callable[[Any], Iterable[messages.Message]] | None = None  # for clients that do not know the event

    def feature_of(self, event: events.Event) -> str:
        """What a client must know to read the event; "": all do."""
        return feature_of(event) if isinstance(event, events.PacketPost) else self.feature

    def payloads(self, event: events.Event, *, is_known: bool) -> list[bytes]:
        """The event as encoded messages, the same for every receiver that knows it, or for all that do not."""
        made = self.messages if is_known or self.instead is None else self.instead
        return [messages.encode(message) for message in made(event)]


PUSHES: dict[type[events.Event], Push] = {
    events.TextPost: Push(_text_posted, can_wait=False),
    events.PacketPost: Push(_packet_posted, can_wait=False, instead=_packet_as_text),
    events.ClaimsPost: Push(_reminder, can_wait=True, feature=messages.REMINDERS),
    events.FinishPost: Push(_reminder, can_wait=True, feature=messages.REMINDERS),
    events.RefundPost: Push(_reminder, can_wait=True, feature=messages.REMINDERS),
    events.RelayPost: Push(_reminder, can_wait=True, feature=messages.RELAY),
    events.Claimed: Push(_claimed, can_wait=True),
    events.Finished: Push(_finished, can_wait=True),
    events.Refunded: Push(_refunded, can_wait=True),
    events.Added: Push(_added, can_wait=False),
    events.Removed: Push(_removed, can_wait=False),
    events.BalanceChange: Push(_balance_changed, can_wait=True, in_welcome=True),
}
