"""Further sets of PostgreSQL that were away when the server started: looked for again, checked, and then used.

Until then such a set is like one that is away: it refuses its own users and packets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from server.core.ids import IdMaker, id_at
from server.services.runtime.outage_log import OutageLog
from server.services.seeds.service import SeedService
from storage.errors import StoreRefused, StoreUnavailable
from storage.postgres import facts
from storage.postgres.migrate import migrate
from storage.postgres.packets.seed_trees import SeedTreeStore
from storage.postgres.sets import opening
from storage.postgres.sets.places import Sets
from storage.postgres.sets.risk import tell_late

LOG: Final = structlog.get_logger()
LOOK_S: Final = 1.0


class LateSets:
    """Opens them. What a start does to a set is done here through connections of its own, before it is used."""

    def __init__(self, sets: Sets, ids: IdMaker, seeds: SeedService, now_ms: Callable[[], int]) -> None:
        self._sets, self._ids, self._seeds, self._now_ms = sets, ids, seeds, now_ms
        self._outage_log = OutageLog("late_sets_wait")

    async def run(self) -> None:
        """Look again while there is one. Never ends; to be supervised."""
        while self._sets.late:
            for number in sorted(self._sets.late):
                await self._try(number)
            await asyncio.sleep(LOOK_S)
        await asyncio.Event().wait()

    async def _try(self, number: int) -> None:
        try:
            await self.open(number)
            self._outage_log.is_over()
        except (StoreUnavailable, StoreRefused) as error:
            self._sets.databases[number].hold(str(error))
            self._outage_log.begins(StoreUnavailable(str(error)))

    async def open(self, number: int) -> None:
        """Open a set. Raises StoreUnavailable, StoreRefused."""
        database = self._sets.databases[number]
        looked_at = database.twin()
        try:
            await looked_at.open()
            for name in await migrate(looked_at):
                LOG.info("migration_applied", name=name, set=number)
            await opening.check_late(self._sets.home, looked_at, number)
            await tell_late(self._sets.home, looked_at)
            self._ids.leave_out(await facts.ids_after(looked_at, id_at(self._now_ms())))
            await SeedTreeStore(looked_at).begin_epoch(self._seeds.key_id, self._now_ms(), only_if_restored=True)
        finally:
            await looked_at.close()
        database.hold("")
        await database.open()
        self._sets.late.discard(number)
        LOG.info("set_is_opened", set=number)
