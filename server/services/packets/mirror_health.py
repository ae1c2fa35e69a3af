"""Whether the mirror can be used: it takes writes, and its settings keep what `won` promises.

In a cluster this is known for each hash tag: a node that is away stops the packets of its tags only. What happens
to an open that the mirror refuses, or that finds it away, is decided in both_stores.py and mirror_first.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import structlog

from server.services.packets.batch import PacketBatch
from server.services.runtime.store_health import CAUSES_MAX, GOOD_PROBES_MIN, StoreHealth
from storage.errors import StoreRefused, StoreUnavailable
from storage.redis.engine import PROBE_S
from storage.redis.mirror import Log, Mirror, PartlyAway
from storage.redis.settings import RedisSettings

LOG = structlog.get_logger()
Durability: TypeAlias = Literal["postgres", "redis"]
SETTINGS_EVERY_S: Final = 5.0  # they can be changed while Redis runs
_ALL: Final = ""  # in place of a tag: the whole mirror
BECAME_A_CLUSTER: Final = "Redis has become a cluster (cluster-enabled yes): restart the server"


class MirrorHealth(StoreHealth):
    """The health of the mirror with its rules. `durability` names the store after which `won` is answered."""

    def __init__(self, mirror: Mirror, durability: Durability) -> None:
        super().__init__("redis", self._write_and_judge, PROBE_S)
        self._mirror = mirror
        self.durability = durability
        self._judged_s = float("-inf")
        self._faults: Mapping[str, str] = {}  # by tag, as the settings were judged last
        self._wrong_settings = ""  # what was wrong then that no outage explains
        self.away: dict[str, str] = {}  # why, by tag of a cluster whose logs cannot be used while others can
        self._probes_wanted: dict[str, int] = {}  # in a row, until a tag can be used again
        self._told_partly: set[str] = set()

    @property
    def decides(self) -> bool:
        """`won` is answered after the mirror, so nothing may be decided without it."""
        return self.durability == "redis"

    @property
    def partly_away(self) -> str:
        """Which nodes of a cluster are away, if others can be used; else empty."""
        counts = Counter(self.away.values()) if self.is_up else {}
        return "; ".join(f"{why}: {count} of {self._mirror.tags} hash tags" for why, count in counts.items())

    def takes(self, packet_id: int) -> bool:
        """The log of this packet can be used."""
        return self.is_up and not (self.away and self._mirror.tag_of(packet_id) in self.away)

    def not_taken(self, batch: list[PacketBatch]) -> list[PacketBatch]:
        """The parts of a batch whose logs cannot be used while others can."""
        return [part for part in batch if not self.takes(part.live.packet_id)] if self.away else []

    def raise_if_claims_may_be_missing(self) -> None:
        """Raise StoreUnavailable if the mirror is away and may hold acknowledged claims that are not recorded."""
        if not self.is_up and self.decides:
            raise StoreUnavailable("Redis is unavailable and may hold acknowledged claims that PostgreSQL lacks")

    async def logs(
        self, ask: Callable[[Sequence[int]], Awaitable[dict[int, Log]]], packet_ids: Sequence[int]
    ) -> dict[int, Log]:
        """What the mirror answers to `ask` about those packets of whose logs it can tell; the others are absent."""
        asked = [packet_id for packet_id in packet_ids if self.takes(packet_id)]
        if not asked:
            return {}
        try:
            return await ask(asked)
        except PartlyAway as partly:
            self.lost(partly)
            return partly.logs
        except StoreUnavailable as error:
            self.lost(error)
            return {}

    def lost(self, error: StoreUnavailable) -> None:
        """A call failed, perhaps for some tags only."""
        if not isinstance(error, PartlyAway):
            super().lost(error)
            return
        for tag, why in error.away.items():
            self._lose(tag, why, probes=1)

    def wrote(self) -> None:
        """The server has written to the mirror. It proves nothing about the other nodes of a cluster."""
        if not self._mirror.tags:
            super().wrote()

    async def find_at_start(self) -> None:
        """Look for the mirror. Raises StoreRefused if it must not be trusted with claims.

        Some masters of a cluster without a replica are an outage of a node; all of them are a wrong cluster.
        """
        try:
            faults = await self._judge()
            if self._wrong_settings or (faults and len(faults) >= self._mirror.tags):
                raise StoreRefused(self._wrong_settings or next(iter(faults.values())))
            self._take({**await self._mirror.probe(), **faults})
        except StoreUnavailable as error:
            self.lost(error)

    async def _write_and_judge(self) -> None:
        away = await self._mirror.probe()
        now_s = asyncio.get_running_loop().time()
        if not self.is_up or self._faults or now_s - self._judged_s >= SETTINGS_EVERY_S:
            self._faults = await self._judge()
            self._judged_s = now_s
        if fault := self._faults.get(_ALL):
            raise StoreUnavailable(fault)
        self._take({**away, **self._faults})

    async def _judge(self) -> dict[str, str]:
        """Why settings forbid to use the mirror, by tag. What they only should not be becomes a warning."""
        faults: dict[str, str] = {}
        warnings: list[str] = []
        self._wrong_settings = ""
        for settings in await self._mirror.settings():
            warnings.append(settings.not_shown if self.decides else settings.eviction)
            if self._mirror.tags:
                warnings.append(settings.coverage)
            if fault := self._fault_of(settings):
                faults.update(dict.fromkeys(settings.tags or (_ALL,), fault))
                self._wrong_settings = self._wrong_settings or ("" if settings.lacks_replica else fault)
        self.warn("; ".join(dict.fromkeys(filter(None, warnings))))
        return faults

    def _fault_of(self, settings: RedisSettings) -> str:
        if settings.is_cluster and not self._mirror.tags:
            return BECAME_A_CLUSTER
        return settings.fault if self.decides else ""

    # --- tags of a cluster ------------------------------------------------------------------------------------

    def _take(self, away: Mapping[str, str]) -> None:
        """Take what a probe and the settings say of all tags."""
        for tag, why in away.items():
            self._lose(tag, why, GOOD_PROBES_MIN)
        for tag in [tag for tag in self.away if tag not in away]:
            self._probes_wanted[tag] -= 1
            if not self._probes_wanted[tag]:
                del self.away[tag], self._probes_wanted[tag]
        if self._told_partly and not self.away:
            self._told_partly.clear()
            LOG.info("redis_nodes_are_back")

    def _lose(self, tag: str, why: str, probes: int) -> None:
        self.away[tag] = why
        self._probes_wanted[tag] = max(probes, self._probes_wanted.get(tag, 0))
        if why not in self._told_partly and len(self._told_partly) < CAUSES_MAX:
            self._told_partly.add(why)
            LOG.warning("redis_node_is_away", why=why)
