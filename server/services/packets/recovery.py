"""Recovery: the queue of packets that must be read from the stores, and what becomes of their requests.

A packet comes here when a request names one that is not in memory, when a store rejected a batch of it, or when the
sweep finds a log that only the mirror holds. Once it is ready, PacketReady goes over the bus and its requests are
decided. While the stores are away its requests get a temporary error; acknowledged claims are never dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import NamedTuple

import structlog

from server.core.decisions import NOT_ALLOWED, Claim
from server.core.limits import Limits
from server.core.packet import Packet
from server.core.packet_states import PacketEvent, PacketState
from server.core.refusals import Reason
from server.services.packets.batch import ClaimsRecorded, ClaimsRejected, PacketsOver
from server.services.packets.live_packet import LivePacket
from server.services.packets.live_packets import LivePackets
from server.services.packets.reload import PacketReload
from server.services.runtime.bus import Bus
from server.services.runtime.load_shedding import LoadShedding
from server.services.runtime.outage_log import OutageLog
from storage.errors import StoreUnavailable

LOG = structlog.get_logger()
LOAD_MAX = 100  # packets read in one go: replaying hundreds of claims each takes the loop milliseconds
TO_LOAD_MAX = 50_000  # packets that wait to be read
RETRY_S = 0.5  # between two attempts to read the postponed packets
PARTLY_AWAY = (
    "a set of PostgreSQL is away, or a node of Redis that may hold acknowledged claims which PostgreSQL lacks"
)


class PacketReady(NamedTuple):
    """A packet was read, and its requests can be decided. `unannounced`: claims that no process announced."""

    live: LivePacket
    packet: Packet
    unannounced: list[Claim]


class Recovery:
    """Reads packets, many in one go."""

    def __init__(self, reload: PacketReload, packets: LivePackets, limits: Limits, bus: Bus) -> None:
        self._reload = reload
        self._packets = packets
        self._bus = bus
        self._to_load: dict[LivePacket, None] = {}
        self._loading: list[LivePacket] = []
        self._postponed: dict[LivePacket, None] = {}
        self._doubted: set[int] = set()  # packets to be read once more after the reading under way
        self._load_shedding = LoadShedding(LOAD_MAX, limits, TO_LOAD_MAX)
        self._outage_log = OutageLog("recovery_waits")
        self._wake = asyncio.Event()
        bus.subscribe(self._on_recorded, ClaimsRecorded)
        bus.subscribe(self._on_rejected, ClaimsRejected)

    @property
    def is_overloaded(self) -> bool:
        """One more packet would wait too long to be read."""
        return self._load_shedding.is_too_high(self._unread)

    @property
    def retry_after_ms(self) -> int:
        """When there may be room again."""
        return self._load_shedding.retry_after_ms(self._unread)

    @property
    def _unread(self) -> int:
        """Packets that wait to be read, or are being read."""
        return len(self._to_load) + len(self._loading)

    # --- what is to be read -----------------------------------------------------------------------------------

    def request(self, packet_id: int) -> LivePacket:
        """Have an absent packet read; it is LOADING from now on."""
        live = self._packets.begin_loading(packet_id)
        self._load_soon(live)
        return live

    def adopt(self, packet_ids: Iterable[int]) -> None:
        """Read packets that no request has named, to re-drive what reached the mirror alone."""
        for packet_id in packet_ids:
            if self._packets.get(packet_id) is None:
                self.request(packet_id)

    def doubt(self, packet_ids: Iterable[int]) -> None:
        """Another server may have moved these on: those in memory are read again first."""
        for packet_id in packet_ids:
            live = self._packets.get(packet_id)
            if live is None:
                continue
            if live.state is PacketState.READY:
                live.distrust(PacketEvent.DOUBTED)
                self.reload_when_released(live)
            else:
                self._doubted.add(packet_id)  # what is being read may be older

    def hurry(self, live: LivePacket) -> None:
        """A request came for a packet that is not ready: a postponed one is tried at once."""
        if live.state is PacketState.POSTPONED:
            del self._postponed[live]
            self._retry(live)

    def reload_when_released(self, live: LivePacket) -> None:
        """A distrusted packet is read again once no batch of it is in flight."""
        if live.state is PacketState.DISTRUSTED and live.in_flight == 0:
            live.move(PacketEvent.RELEASED)
            self._load_soon(live)

    def _on_recorded(self, event: ClaimsRecorded, audience: Collection[int]) -> None:
        part = event.batch
        if part.version + len(part.requests) == part.packet.terms.shares:
            self._bus.publish(PacketsOver((part.live.packet_id,)))
        self.reload_when_released(part.live)

    def _on_rejected(self, event: ClaimsRejected, audience: Collection[int]) -> None:
        part = event.batch
        LOG.debug("claims_rejected", packet_id=part.live.packet_id, claims=len(part.requests), why=event.why)
        self.reload_when_released(part.live)

    def _load_soon(self, live: LivePacket) -> None:
        self._to_load[live] = None
        self._wake.set()

    def _retry(self, live: LivePacket) -> None:
        live.move(PacketEvent.RETRY)
        self._load_soon(live)

    def _postpone(self, live: LivePacket) -> None:
        live.move(PacketEvent.STORES_AWAY_OWING)
        if not self._postponed:
            asyncio.get_running_loop().call_later(RETRY_S, self._retry_postponed)
        self._postponed[live] = None

    def _retry_postponed(self) -> None:
        postponed, self._postponed = self._postponed, {}
        for live in postponed:
            self._retry(live)

    # --- reading ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read the packets that wait, many in one go. Never ends; to be supervised."""
        while True:
            if not self._to_load:
                self._load_shedding.rest()
            await self._wake.wait()
            batch = list(self._to_load)[:LOAD_MAX]
            for live in batch:
                del self._to_load[live]
            if not self._to_load:
                self._wake.clear()
            await self._load(batch)

    async def _load(self, batch: list[LivePacket]) -> None:
        self._loading = batch
        self._load_shedding.begin()
        try:
            reloaded = await self._reload.load(batch)
        except StoreUnavailable as error:
            self._outage_log.begins(error)
            for live in batch:
                self._give_up(live)
            return
        except Exception:
            # perhaps of one packet, which must not hold up the others
            if len(batch) == 1:
                self._give_up(batch[0])
            for live in batch if len(batch) > 1 else ():
                with suppress(Exception):  # the first one is raised below
                    await self._load([live])
            raise
        finally:
            self._load_shedding.end()
            self._loading = []
        if reloaded.away:
            self._outage_log.begins(StoreUnavailable(PARTLY_AWAY))
        else:
            self._outage_log.is_over()
        for live in reloaded.away:
            self._give_up(live)
        for live in reloaded.unusable:
            self._forget_missing(live)
        failed: Exception | None = None
        for live in batch:
            try:
                self._conclude(live, reloaded.unannounced.get(live, []))
            except Exception as error:  # a defect of ours: it must not spoil the others
                failed = error
        if failed is not None:
            raise failed

    def _conclude(self, live: LivePacket, unannounced: list[Claim]) -> None:
        if live.packet is not None:
            self._bus.publish(PacketReady(live, live.packet, unannounced))
            if live.packet_id in self._doubted:
                self._doubted.discard(live.packet_id)
                self.doubt((live.packet_id,))
            self._packets.evict()
        elif live.state is PacketState.LOADING and live not in self._to_load:
            live.move(PacketEvent.OVERTAKEN)  # by another writer
            self._load_soon(live)

    def _forget_missing(self, live: LivePacket) -> None:
        if live.audience:  # it was sent while it was looked for, and is looked for once more
            live.audience = ()
            live.move(PacketEvent.OVERTAKEN)
            self._load_soon(live)
            return
        self._doubted.discard(live.packet_id)
        self._packets.drop(live, PacketEvent.MISSING)
        for request in (*live.rejected, *live.waiting):
            self._bus.reply(request, NOT_ALLOWED)

    def _give_up(self, live: LivePacket) -> None:
        """The stores are away. Acknowledged claims must still be recorded; other requests get a temporary error.

        A packet that was in memory (`replaced`) or has acknowledged claims is postponed, any other one is dropped.
        """
        for request in (*live.rejected, *live.waiting):
            if not request.answered:
                self._bus.reply(request, Reason.STORE_UNAVAILABLE)
                request.claim = None
        live.rejected = [request for request in live.rejected if request.claim is not None]
        live.waiting = []
        if live.rejected or live.replaced is not None:
            self._postpone(live)
        else:
            self._doubted.discard(live.packet_id)
            self._packets.drop(live, PacketEvent.STORES_AWAY)
