"""Whether the mirror can be used: it takes writes, and its settings keep what `won` promises.

What happens to an open that the mirror refuses, or that finds it away, is decided in commit.py (`_mirror_batch`).
"""

from __future__ import annotations

import asyncio
from typing import Final, Literal, TypeAlias

from server.services.runtime.store_health import StoreHealth
from storage.errors import StoreRefused, StoreUnavailable
from storage.redis.mirror import PROBE_S, Mirror

Durability: TypeAlias = Literal["postgres", "redis"]
SETTINGS_EVERY_S: Final = 5.0  # they can be changed while Redis runs


class MirrorHealth(StoreHealth):
    """The health of the mirror with its rules. `durability` names the store after which `won` is answered."""

    def __init__(self, mirror: Mirror, durability: Durability) -> None:
        super().__init__("redis", self._write_and_judge, PROBE_S)
        self._mirror = mirror
        self.durability = durability
        self._judged_s = float("-inf")

    @property
    def decides(self) -> bool:
        """`won` is answered after the mirror, so nothing may be decided without it."""
        return self.durability == "redis"

    def raise_if_claims_may_be_missing(self) -> None:
        """Raise StoreUnavailable if the mirror is away and may hold acknowledged claims that are not recorded."""
        if not self.is_up and self.decides:
            raise StoreUnavailable("Redis is unavailable and may hold acknowledged claims that PostgreSQL lacks")

    async def find_at_start(self) -> None:
        """Look for the mirror. Raises StoreRefused if it must not be trusted with claims."""
        try:
            if fault := await self._judge():
                raise StoreRefused(fault)
            await self._mirror.probe()
        except StoreUnavailable as error:
            self.lost(error)

    async def _write_and_judge(self) -> None:
        await self._mirror.probe()
        now_s = asyncio.get_running_loop().time()
        if self.is_up and now_s - self._judged_s < SETTINGS_EVERY_S:
            return
        if fault := await self._judge():
            raise StoreUnavailable(fault)
        self._judged_s = now_s

    async def _judge(self) -> str:
        """Why its settings forbid to use it; empty: they do not. What they only should not be becomes a warning."""
        settings = await self._mirror.settings()
        if settings.is_cluster:
            return "Redis runs as a cluster (cluster-enabled yes), which is not supported: name a single Redis"
        if self.decides:
            self.warn(settings.not_shown)
            return settings.fault
        self.warn(settings.eviction)
        return ""
