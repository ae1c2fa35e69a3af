"""The end of old decisions, and of devices and addresses that were not seen for long: a little at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from server.services.runtime.outage_log import OutageLog
from storage.errors import StoreUnavailable

if TYPE_CHECKING:
    from storage.postgres.risk.risk import RiskStore

DAY_MS: Final = 86_400_000
MARK_DAYS: Final = 90  # without being seen
BATCH: Final = 1_000  # rows of one transaction
PAUSE_S: Final = 300.0  # between two looks
BUSY_S: Final = 1.0  # while there is more to delete


class RiskRetention:
    """Deletes. A decision that is in force is kept, however old it is, so that it can be explained."""

    def __init__(self, store: RiskStore, keep_days: int, now_ms: Callable[[], int]) -> None:
        self._store, self.keep_days, self._now_ms = store, keep_days, now_ms
        self._outage_log = OutageLog("risk_retention_waits")

    async def run(self) -> None:
        """Look from time to time. Never ends; to be supervised."""
        pause_s = PAUSE_S
        while True:
            await asyncio.sleep(pause_s)
            try:
                pause_s = BUSY_S if await self.delete() else PAUSE_S
                self._outage_log.is_over()
            except StoreUnavailable as error:
                pause_s = PAUSE_S
                self._outage_log.begins(error)

    async def delete(self) -> bool:
        """One batch; whether there may be more. Raises StoreUnavailable."""
        now_ms = self._now_ms()
        before_ms = now_ms - self.keep_days * DAY_MS
        deleted = await self._store.delete_old(before_ms, now_ms - MARK_DAYS * DAY_MS, BATCH)
        return deleted >= BATCH
