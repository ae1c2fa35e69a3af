"""The hub: users who are online, and pushes to them. A push is encoded once; no receiver is waited for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from protocol import codes
from protocol.framing import Frame
from server.core.ids import BACKEND
from server.core.ledger import WalletBalance
from server.core.limits import Limits
from server.net.online_user import User
from server.net.pushes.announcements import AT_ONCE, Announcement, Announcements
from server.net.pushes.encoded import EncodedPush
from server.net.pushes.table import PUSHES, Push, push_of, stream_of
from server.net.read_budget import ReadBudget
from server.net.token_bucket import TokenBucket
from server.services.runtime import events
from server.services.runtime.bus import Bus

if TYPE_CHECKING:
    from server.net.session import ClientSession


class Hub:
    """The users who are online. A user's bucket outlives their connections until it would be full again."""

    def __init__(self, limits: Limits, bus: Bus) -> None:
        self._limits = limits
        self._bus = bus
        self._users: dict[int, User] = {}
        self._announcements = Announcements(self._push)
        self.pushes = 0
        # at how many other servers a user has a connection; each of these counts as one
        self.servers_of: Callable[[int], int] | None = None
        # whether an event is pushed now; a post may have to wait for one that another server makes
        self.admits: Callable[[events.Event | EncodedPush, Collection[int]], bool] | None = None
        bus.subscribe(self.announce, *PUSHES)
        bus.subscribe(self.end_sessions, events.AccessChange)
        bus.know_clients(self.awaits, self.user_ids)

    def join(self, user_id: int, session: ClientSession, now_s: float) -> bool:
        """A connection of a user is there; False if it would be one too many."""
        user, elsewhere = self._known(user_id, now_s), 0 if self.servers_of is None else self.servers_of(user_id)
        if len(user.sessions) + elsewhere >= self._limits.connections_of_user_max and user_id != BACKEND:
            return False
        user.sessions.append(session)
        if len(user.sessions) == 1:
            self._bus.publish(events.CameOnline(user_id))
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
        user = self._users.get(user_id) or self._known(user_id, now_s)
        return user.requests.take(now_s, *_rate_of(user_id, self._limits, self.servers_of))

    def admit_up_to(self, requests: int, user_id: int, now_s: float) -> int:
        """Let a user make so many requests, or as many as they may; how many."""
        user = self._users.get(user_id) or self._known(user_id, now_s)
        return user.requests.take_up_to(requests, now_s, *_rate_of(user_id, self._limits, self.servers_of))

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

    def leave(self, user_id: int, session: ClientSession) -> None:
        """A connection of a user has gone."""
        user = self._users.get(user_id)
        if user is not None and session in user.sessions:
            user.sessions.remove(session)
            if not user.sessions:
                self._bus.publish(events.WentOffline(user_id))

    def sessions(self, user_id: int) -> Sequence[ClientSession]:
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

    def user_ids(self) -> list[int]:
        """The users who have a connection, also one that waits for its welcome."""
        return [user_id for user_id, user in self._users.items() if user.sessions]

    def balance_versions(self, user_ids: Iterable[int]) -> dict[int, int]:
        """The version up to which these users were told all changes of the wallet, if they have been welcomed."""
        users = filter(None, map(self._users.get, user_ids))
        return {user.user_id: user.told_version for user in users if user.is_welcomed}

    def welcomes(self, user_id: int, balance: WalletBalance) -> None:
        """A connection is about to be told this balance; others of its user may not know it."""
        if (user := self._users.get(user_id)) is not None and not user.is_welcomed:
            user.told_version = balance.version

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

    def announce(self, event: events.Event | EncodedPush, audience: Collection[int]) -> None:
        """Push an event to those of its audience who are online, and the posts of a stream in their order."""
        if self.admits is None or self.admits(event, audience):
            self.announce_now(event, audience)

    def announce_now(self, event: events.Event | EncodedPush, audience: Collection[int]) -> None:
        """Push an event whose turn it is."""
        present = _present(self._users, audience)
        if not present:
            return
        if isinstance(event, events.BalanceChange):
            balance = self.newest(event.user_id, event.balance)
            if balance != event.balance:
                event = event._replace(balance=balance)
            if (user := self._users.get(event.user_id)) is not None:
                user.told_version = max(user.told_version, balance.version)
        push = push_of(event)
        stream_id = stream_of(event)
        if len(present) > AT_ONCE or stream_id in self._announcements:  # posts of a stream keep their order
            self._announcements.add(stream_id, Announcement(push, event, present, audience))
        else:
            self._push(push, event, present)

    def _push(self, push: Push, event: events.Event | EncodedPush, users: Iterable[User]) -> None:
        payloads: dict[bool, list[bytes]] = {}  # most events have few readers, and some none
        framed: dict[tuple[Frame, bool], bytes] = {}
        feature, in_welcome, can_wait = push.feature_of(event), push.in_welcome, push.can_wait
        last: tuple[Frame | None, bool] = (None, False)  # the form of the session before: mostly also of this one
        for user in users:
            for session in user.sessions:
                if in_welcome and session.holds_pushes:
                    continue
                is_known = not feature or feature in session.features
                if not is_known and push.instead is None:
                    continue
                if session.frame is not last[0] or is_known is not last[1]:
                    last = form = frame, _ = session.frame, is_known
                    if form not in framed:
                        if is_known not in payloads:
                            payloads[is_known] = push.payloads(event, is_known=is_known)
                        framed[form] = b"".join([frame(payload) for payload in payloads[is_known]])
                    data = framed[form]
                session.push(data, can_wait)
                self.pushes += 1

    def awaits(self, event: type[events.Event], audience: Collection[int]) -> bool:
        """Whether a client of this audience is online that reads such an event."""
        feature = PUSHES[event].feature if event in PUSHES else ""
        sessions = (session for user in _present(self._users, audience) for session in user.sessions)
        return any(not feature or feature in session.features for session in sessions)


def _present(users: Mapping[int, User], audience: Collection[int]) -> list[User]:
    """The users of an audience who are online."""
    if len(audience) > len(users):
        return [user for user_id, user in users.items() if user_id in audience]
    return [user for user_id in audience if (user := users.get(user_id)) is not None]


def _rate_of(user_id: int, limits: Limits, servers_of: Callable[[int], int] | None) -> tuple[float, float]:
    """Requests a second of a user, and at once. Each server at which they are gives an equal part of it."""
    per_s, burst = limits.requests_per_s, limits.requests_burst
    if servers_of is None or not (others := servers_of(user_id)):
        return per_s, burst
    return per_s / (1 + others), max(1.0, burst / (1 + others))
