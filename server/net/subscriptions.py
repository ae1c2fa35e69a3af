"""Subscriptions to result pages: claims become pushes, a burst of them one push for each packet and COALESCE_S."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from protocol import messages
from protocol.framing import Frame
from server.core.limits import Limits
from server.core.texts import Language
from server.net.page_encoding import line_of
from server.services.packets.live_packet import Snapshot
from server.services.packets.live_packets import LivePackets
from server.services.packets.pages import PageService
from server.services.runtime.bus import Bus
from server.services.runtime.events import Claimed, Refunded

if TYPE_CHECKING:
    from server.net.session import Session

COALESCE_S = 0.1


class Subscription(msgspec.Struct):
    """One connection that follows one packet, and how many claims it has been told of."""

    language: Language
    told: int


class UpdateKey(NamedTuple):
    """The key of subscriptions that get the same update: it is encoded once for all of them."""

    is_sender: bool
    language: Language
    told: int


class Subscriptions:
    """Pushes new claims to subscribed connections; each may subscribe to `limits.watched_packets_max` packets."""

    def __init__(self, packets: LivePackets, pages: PageService, limits: Limits, bus: Bus) -> None:
        self._packets = packets
        self._pages = pages
        self._limits = limits
        self._subscriptions: dict[int, dict[Session, Subscription]] = {}  # by packet
        self._packets_of: dict[Session, dict[int, None]] = {}  # packet ids, the oldest subscription first
        self._fresh: set[int] = set()
        self._wake = asyncio.Event()
        self.pushes = 0
        bus.subscribe(self._on_event, Claimed, Refunded)

    def subscribe(self, session: Session, packet_id: int, language: Language, told: int) -> None:
        """Tell a connection of the claims after the first `told`. One too many ends the oldest subscription."""
        self.stop(session, packet_id)
        if session.transport.is_closing():  # it will not be lost a second time, so this subscription would stay
            return
        while len(packet_ids := self._packets_of.get(session, {})) >= self._limits.watched_packets_max:
            self.stop(session, next(iter(packet_ids)))
        self._packets_of.setdefault(session, {})[packet_id] = None
        self._subscriptions.setdefault(packet_id, {})[session] = Subscription(language, told)
        self.look_at(packet_id)  # claims may have come between the page and this

    def follows(self, session: Session, packet_id: int) -> bool:
        """Whether a connection will get later claims. The subscription of a user who left the group ends here."""
        seen = self._packets.snapshot(packet_id)
        if seen is not None and not seen.may_follow(session.user_id):
            self.stop(session, packet_id)
        return session in self._subscriptions.get(packet_id, ())

    def stop(self, session: Session, packet_id: int) -> None:
        """Tell a connection no more of a packet."""
        _discard(self._subscriptions, packet_id, session)
        _discard(self._packets_of, session, packet_id)

    def all(self) -> list[tuple[Session, int, Language, int]]:
        """Every connection with a packet that it follows, its language, and how many claims it has been told of."""
        return [
            (session, packet_id, one.language, one.told)
            for packet_id, sessions in self._subscriptions.items()
            for session, one in sessions.items()
        ]

    def gone(self, session: Session) -> None:
        """A connection was lost."""
        for packet_id in list(self._packets_of.get(session, ())):
            self.stop(session, packet_id)

    def _on_event(self, event: Claimed | Refunded, audience: Collection[int]) -> None:
        """Something happened: new claims are looked at in a while, with those that come meanwhile."""
        if not self._subscriptions:
            return
        if event.packet_id in self._subscriptions:
            self.look_at(event.packet_id)  # the last claims may not have been told before a refund

    async def run(self) -> None:
        """Push what is new, at most ten times a second. Never ends; to be supervised."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(COALESCE_S)
            fresh, self._fresh = self._fresh, set()
            await asyncio.gather(*map(self._tell, fresh))
            if not self._fresh:
                self._wake.clear()

    def look_at(self, packet_id: int) -> None:
        """Tell those who follow a packet of what is new, soon."""
        self._fresh.add(packet_id)
        self._wake.set()

    def _end(self, packet_id: int) -> None:
        for session in list(self._subscriptions.get(packet_id, ())):
            self.stop(session, packet_id)

    async def _tell(self, packet_id: int) -> None:
        seen = self._packets.snapshot(packet_id)
        if seen is not None:
            for wording, sessions in self._same_words(packet_id, seen).items():
                await self._push(packet_id, seen, wording, sessions)
            if seen.refunded:
                self._end(packet_id)
        elif packet_id in self._packets.ids():
            self.look_at(packet_id)  # it is being read again
        else:
            self._end(packet_id)

    def _same_words(self, packet_id: int, seen: Snapshot) -> dict[UpdateKey, list[Session]]:
        """The sessions that are behind, by the update that they need."""
        groups: dict[UpdateKey, list[Session]] = {}
        for session, subscription in self._subscriptions.get(packet_id, {}).items():
            if subscription.told < seen.durable:
                is_sender = session.user_id == seen.packet.terms.sender_id
                key = UpdateKey(is_sender, subscription.language, subscription.told)
                groups.setdefault(key, []).append(session)
        return groups

    async def _push(self, packet_id: int, seen: Snapshot, wording: UpdateKey, sessions: list[Session]) -> None:
        news = await self._pages.news(seen, sessions[0].user_id, wording.language, wording.told)
        lines = [line_of(line) for line in news.lines]
        payload = messages.encode(messages.ResultUpdate(0, packet_id, news.opened, lines, news.summary))
        framed: dict[Frame, bytes] = {}
        for session in self._receivers(packet_id, wording, sessions):
            self._subscriptions[packet_id][session].told = news.opened
            frame = session.frame
            if frame not in framed:
                framed[frame] = frame(payload)
            session.push(framed[frame], can_wait=True)
            self.pushes += 1
            if news.over:
                self.stop(session, packet_id)

    def _receivers(self, packet_id: int, wording: UpdateKey, sessions: list[Session]) -> list[Session]:
        """The sessions that still need this update: while names were read, some left or got the page again."""
        seen = self._packets.snapshot(packet_id)
        if seen is None:
            self.look_at(packet_id)  # it is being read again
            return []
        receivers = []
        for session in sessions:
            subscription = self._subscriptions.get(packet_id, {}).get(session)
            if not seen.may_follow(session.user_id):
                self.stop(session, packet_id)
            elif subscription is not None and subscription.told == wording.told:
                receivers.append(session)
        return receivers


Outer = TypeVar("Outer")
Inner = TypeVar("Inner")


def _discard(table: dict[Outer, dict[Inner, Any]], outer: Outer, inner: Inner) -> None:
    """Take an entry out of a table of tables, and leave no empty one behind."""
    if outer in table:
        table[outer].pop(inner, None)
        if not table[outer]:
            del table[outer]
