"""Events of further sets of PostgreSQL: moved to set 0, from where they are delivered like those of set 0."""

from __future__ import annotations

import asyncio
from typing import Final

from server.services.runtime.look_again import look_again
from server.services.runtime.outage_log import OutageLog
from server.services.webhooks.bodies import render
from storage.postgres.sets.webhooks import SetEventStore

BATCH_MAX: Final = 500
BUSY_S: Final = 0.1  # between two looks while events are wanted
IDLE_S: Final = 1.0


class SetEvents:
    """Moves the events of one set; what is not moved yet survives a crash."""

    def __init__(self, store: SetEventStore) -> None:
        self._store = store
        self._wake = asyncio.Event()
        self._outage_log = OutageLog("set_events_wait")
        self.moved = 0

    async def run(self) -> None:
        """Move. Never ends; to be supervised."""
        await look_again(self._move_all, self._wake, self._outage_log)

    async def _move_all(self) -> float:
        wanted = await self._store.look()
        while moved := await self._store.move(BATCH_MAX, render):
            self.moved += moved
        return BUSY_S if wanted else IDLE_S
