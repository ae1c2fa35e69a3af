"""The sweep: let the mirrors of finished packets lapse, re-drive orphans.

An orphan is a log in the mirror whose packet no server has in memory: its server died. Loading it re-drives
what the record lacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import structlog

from server.services.packets.batch import PacketsOver
from server.services.packets.live_packets import LivePackets
from server.services.packets.mirror_health import MirrorHealth
from server.services.packets.recovery import Recovery
from server.services.packets.stored_state import is_lease
from server.services.runtime.bus import Bus
from server.services.runtime.outage_log import OutageLog
from storage.errors import StoreUnavailable
from storage.postgres.packets import packets as store
from storage.redis.mirror import Mirror

LOG = structlog.get_logger()
INTERVAL_S = 0.5
ORPHANS_EVERY = 60  # rounds
FORGET_MAX = 5_000  # logs a round


class Sweep:
    """Keeps the mirror tidy."""

    def __init__(
        self,
        mirror: Mirror,
        records: store.PacketStore,
        health: MirrorHealth,
        packets: LivePackets,
        recovery: Recovery,
        bus: Bus,
    ) -> None:
        self._mirror = mirror
        self._records = records
        self._health = health
        self._packets = packets
        self._recovery = recovery
        self._over: list[int] = []  # packets whose log in the mirror may lapse
        self._outage_log = OutageLog("sweep_waits")
        self._told_foreign: set[str] = set()
        bus.subscribe(self._on_over, PacketsOver)

    def _on_over(self, event: PacketsOver, audience: Collection[int]) -> None:
        self._over += event.packet_ids

    async def run(self) -> None:
        """Sweep. Never ends; to be supervised. Orphans at once and then twice a minute."""
        rounds = 0
        while True:
            try:
                await self.sweep_once()
                if rounds % ORPHANS_EVERY == 0:
                    await self.adopt_orphans()
                rounds += 1
                self._outage_log.is_over()
            except StoreUnavailable as error:
                self._outage_log.begins(error)
            await asyncio.sleep(INTERVAL_S)

    async def sweep_once(self) -> None:
        """Let the logs of packets that are over lapse. Raises StoreUnavailable."""
        if not self._health.is_up:
            raise StoreUnavailable(self._health.why)
        first, later = self._over[:FORGET_MAX], self._over[FORGET_MAX:]
        over = [packet_id for packet_id in first if self._health.takes(packet_id)]
        if over:
            await self._mirror.forget(over)
            forgotten = {*over}
            self._over = [packet_id for packet_id in first if packet_id not in forgotten] + later

    async def adopt_orphans(self) -> None:
        """Load the packets that only the mirror holds; let the logs of those that are over in the record lapse."""
        async for packet_ids in self._mirror.lasting_ids():
            self._tell_foreign_keys()
            strangers = [packet_id for packet_id in packet_ids if packet_id not in self._packets.ids()]
            if not strangers:
                continue
            rows = await self._records.rows(strangers)
            is_open = {packet_id for packet_id, row in rows.items() if row.closed_at_ms is None}
            # leases of campaigns are reclaimed (services/campaigns/leases)
            self._recovery.adopt(one for one in is_open if not is_lease(rows[one]))
            self._over += [packet_id for packet_id in strangers if packet_id not in is_open]

    def _tell_foreign_keys(self) -> None:
        """Another program uses our prefix in the same Redis: one line for each such key."""
        for key in sorted(self._mirror.foreign_keys - self._told_foreign):
            LOG.warning("redis_key_of_another_program", key=key)
        self._told_foreign |= self._mirror.foreign_keys
