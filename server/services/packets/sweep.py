"""The sweep: find Redis again when it was away, let the mirrors of finished packets lapse, re-drive orphans.

An orphan is a log in the mirror whose packet nobody holds in memory: its server died. Loading the packet re-drives
what the record lacks.
"""

from __future__ import annotations

import asyncio

import structlog

from server.services.packets.commit import CommitPath, Durability
from server.services.packets.grab_open import PacketService
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
        path: CommitPath,
        packets: PacketService,
        durability: Durability,
    ) -> None:
        self._durability = durability
        self._mirror = mirror
        self._records = records
        self._path = path
        self._packets = packets
        self._outage_log = OutageLog("sweep_waits")

    async def run(self) -> None:
        """Sweep for ever, to be supervised; orphans at once and then twice a minute."""
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
        """Find Redis again, and let go of what is over."""
        if not self._path.mirror_is_up:
            await self._mirror.ping()
            if self._durability == "redis" and not await self._mirror.fsyncs_every_write():
                raise StoreUnavailable("Redis does not fsync every write, so it cannot vouch for claims")
            self._path.mirror_is_up = True
            LOG.info("redis_is_back")
        over = self._packets.over[:FORGET_MAX]
        if over:
            await self._mirror.forget(over)
            del self._packets.over[: len(over)]

    async def adopt_orphans(self) -> None:
        """Load the packets that only the mirror remembers; let go of those that are over in the record."""
        async for packet_ids in self._mirror.lasting_ids():
            strangers = [packet_id for packet_id in packet_ids if packet_id not in self._packets.live_ids()]
            if not strangers:
                continue
            rows = await self._records.rows(strangers)
            is_open = {packet_id for packet_id, row in rows.items() if row.closed_at_ms is None}
            self._packets.load(is_open)
            self._packets.over += [packet_id for packet_id in strangers if packet_id not in is_open]
