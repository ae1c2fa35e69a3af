"""Whether the mirror answers. Every service that finds it away says so here; the sweep finds it again.

What happens to an open that the mirror refuses, or that finds it away, is decided in commit.py (`_mirror_batch`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import structlog

from storage.errors import StoreRefused, StoreUnavailable
from storage.redis.mirror import Mirror

LOG = structlog.get_logger()
Durability: TypeAlias = Literal["postgres", "redis"]


class MirrorHealth:
    """One flag with its rules. `durability` names the store after which `won` is answered."""

    def __init__(self, mirror: Mirror, durability: Durability) -> None:
        self._mirror = mirror
        self.durability = durability
        self.is_up = True

    @property
    def decides(self) -> bool:
        """`won` is answered after the mirror, so nothing may be decided without it."""
        return self.durability == "redis"

    def lost(self) -> None:
        """A call failed."""
        self.is_up = False

    def raise_if_claims_may_be_missing(self) -> None:
        """Raise StoreUnavailable if the mirror is away and may hold acknowledged claims that are not recorded."""
        if not self.is_up and self.decides:
            raise StoreUnavailable("Redis is unavailable and may hold acknowledged claims that PostgreSQL lacks")

    async def find_at_start(self) -> None:
        """Look for the mirror. Raises StoreRefused if it must not be trusted with claims."""
        try:
            await self._mirror.ping()
            if self.decides and not await self._mirror.fsyncs_every_write():
                raise StoreRefused("durability redis needs a Redis with appendonly yes and appendfsync always")
        except StoreUnavailable as error:
            self.lost()
            LOG.warning("redis_is_away", why=str(error))

    async def find_again(self) -> None:
        """If it is away, look whether it is back. Raises StoreUnavailable."""
        if self.is_up:
            return
        await self._mirror.ping()
        if self.decides and not await self._mirror.fsyncs_every_write():
            raise StoreUnavailable("Redis does not fsync every write, so it cannot vouch for claims")
        self.is_up = True
        LOG.info("redis_is_back")
