"""The table of packets in memory: found by id, added when sent, evicted when memory is short."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from itertools import islice

from server.core.kinds import Audience
from server.core.packet import Packet
from server.core.packet_request import Terms
from server.core.packet_states import PacketEvent
from server.services.chat.groups import GroupService
from server.services.packets.audience import audience_of
from server.services.packets.live_packet import LivePacket, Snapshot

LIVE_MAX = 50_000  # packets kept in memory; more are evicted once nothing of them is in flight


class LivePackets:
    """The packets in memory, in the order in which they came. Only this class adds and removes them."""

    def __init__(self, groups: GroupService) -> None:
        self._groups = groups
        self._by_id: dict[int, LivePacket] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, packet_id: int) -> LivePacket | None:
        """The packet, in whatever state; None if it is absent."""
        return self._by_id.get(packet_id)

    def ids(self) -> Collection[int]:
        """The ids of all packets in memory; a view."""
        return self._by_id.keys()

    def snapshot(self, packet_id: int) -> Snapshot | None:
        """What may be told of a packet now; None unless it is ready."""
        live = self._by_id.get(packet_id)
        return None if live is None else live.snapshot()

    @property
    def unanswered(self) -> bool:
        """A request waits for a packet to be read, or for a claim to be durable."""
        return any(live.waiting or live.rejected for live in self._by_id.values())

    def under_way(self) -> list[LivePacket]:
        """The packets of which claims are in flight."""
        return [live for live in self._by_id.values() if live.has_claims_under_way]

    # --- coming and going -------------------------------------------------------------------------------------

    def begin_loading(self, packet_id: int) -> LivePacket:
        """A packet that was absent, in the state LOADING."""
        live = self._by_id[packet_id] = LivePacket(packet_id)
        live.move(PacketEvent.REQUESTED)
        return live

    def drop(self, live: LivePacket, event: PacketEvent) -> None:
        """The packet is absent from now on."""
        live.move(event)
        del self._by_id[live.packet_id]

    def add(self, terms: Terms) -> None:
        """A packet that was just sent: known without reading it again, unless a request has guessed its id."""
        live = self._by_id.get(terms.packet_id)
        if live is not None:  # it is being read, perhaps since before it was recorded
            live.audience = live.audience or audience_of(terms, (), self._groups, live.admitted)
            return
        live = self._by_id[terms.packet_id] = LivePacket(terms.packet_id)
        audience = audience_of(terms, (), self._groups, live.admitted)
        live.become_ready(PacketEvent.SENT, Packet(terms), audience, mirrored=False, mirror_length=0)
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # kept: to find it costs a system call
        live.read_at_s = self._loop.time()
        if len(self._by_id) > LIVE_MAX:
            self.evict()

    def announced(self, terms: Terms) -> None:
        """A scheduled packet was posted. A reading under way may have found it hidden: it is read once more."""
        live = self._by_id.get(terms.packet_id)
        if live is not None and live.packet is None:
            live.audience = live.audience or audience_of(terms, (), self._groups, live.admitted)

    def evict(self) -> None:
        """Drop the oldest quiet packets if there are too many."""
        surplus = len(self._by_id) - LIVE_MAX
        if surplus <= 0:
            return
        oldest = list(islice(self._by_id.values(), surplus * 2))
        for live in [live for live in oldest if live.quiet and live.packet is not None][:surplus]:
            self.drop(live, PacketEvent.EVICTED)

    # --- what other use cases change --------------------------------------------------------------------------

    def sent_again(self, packet_id: int, group_id: int) -> None:
        """Members of another group may open it, too. A reading that is under way may not know that yet."""
        live = self._by_id.get(packet_id)
        if live is not None and group_id not in live.also_in:
            live.also_in += (group_id,)
            if live.packet is not None:
                live.audience = self._groups.audience((live.packet.terms.target_id, *live.also_in))

    def admit(self, packet_id: int, user_id: int, depth: int) -> None:
        """A user may open it, too. A reading that is under way may not know that yet."""
        live = self._by_id.get(packet_id)
        if live is not None:
            live.admitted[user_id] = depth

    def passed_on(self) -> list[int]:
        """The packets in memory that are passed on, or of which that is not known yet."""
        return [live.packet_id for live in self._by_id.values() if _may_be_passed_on(live)]

    def said(self, packet_id: int, user_id: int) -> None:
        """A user has said the words of a packet. A reading that is under way may not know that yet."""
        live = self._by_id.get(packet_id)
        for packet in (live.packet, live.replaced) if live is not None else ():
            if packet is not None and packet.said is not None:
                packet.said.add(user_id)

    def refunded(self, packet_ids: Iterable[int]) -> None:
        """The unopened rest of these packets is back with the senders."""
        for packet_id in packet_ids:
            if (live := self._by_id.get(packet_id)) is not None:
                live.refunded = True

    def close_quiet(self, packet_ids: Iterable[int]) -> list[int]:
        """Close these packets, but not those that have claims in flight, which are closed at a later try."""
        quiet = []
        for packet_id in packet_ids:
            live = self._by_id.get(packet_id)
            if live is None or live.quiet:
                quiet.append(packet_id)
                if live is not None and live.packet is not None:
                    live.packet.close()
        return quiet


def _may_be_passed_on(live: LivePacket) -> bool:
    return live.packet is None or live.packet.terms.kind.row.audience is Audience.INVITED
