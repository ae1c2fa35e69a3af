"""The server's time is its database's: probed at the start and then regularly, carried by `Clock` meanwhile."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from server.clock import Clock
from server.core.carried_time import JUMP_MS, TimeProbe
from storage.errors import StoreUnavailable
from storage.postgres.database_time import DatabaseTimeStore

LOG = structlog.get_logger()
PROBE_S: Final = 2.0  # between two probes
EXACT_S: Final = 0.02  # an answer that came within it is exact enough
ASKED_MAX: Final = 3  # times in one probe, until an answer is exact enough; the fastest counts


class DatabaseTime:
    """Probes the clock of the database, and logs once when a clock begins or ceases to be wrong."""

    def __init__(self, store: DatabaseTimeStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._told = {"database": False, "local": False}

    async def probe(self) -> None:
        """Ask once. Raises StoreUnavailable."""
        best = await self._ask()
        for _ in range(ASKED_MAX - 1):
            if best.round_trip_s <= EXACT_S:
                break
            best = min(best, await self._ask(), key=lambda probe: probe.round_trip_s)
        self._clock.probed(best)
        self._tell("database", "database_clock_jumped", self.jump_s)
        self._tell("local", "local_clock_differs", self.local_ahead_s)

    async def _ask(self) -> TimeProbe:
        clock = self._clock
        asked_s = clock.carrying_s()
        database_ms = await self._store.now_ms()
        return TimeProbe(database_ms, asked_s, clock.carrying_s(), clock.local_ms())

    async def run(self) -> None:
        """Probe. Never ends; to be supervised. While the database is away, its time is carried on."""
        while True:
            await asyncio.sleep(PROBE_S)
            try:
                await self.probe()
            except StoreUnavailable:
                continue

    @property
    def jump_s(self) -> float:
        """How far ahead (below zero: behind) a held jump of the database's clock is; else 0.0."""
        return self._clock.jump_ms / 1000

    @property
    def local_ahead_s(self) -> float:
        """How far ahead the clock of this machine is of the server's time."""
        return self._clock.local_ahead_ms / 1000

    @property
    def is_confirmed(self) -> bool:
        """What is final, such as a refund, may be done by this time."""
        return self._clock.is_confirmed

    @property
    def faults(self) -> list[str]:
        """Which clocks are wrong, each in one line for an operator."""
        found = []
        if self.jump_s:
            found.append(
                f"the clock of the database has jumped by {self.jump_s:+.1f} s; its old time is carried on"
            )
        if abs(self.local_ahead_s) * 1000 > JUMP_MS:
            found.append(f"the clock of this machine differs from the database's by {self.local_ahead_s:+.1f} s")
        return found

    def _tell(self, clock: str, event: str, ahead_s: float) -> None:
        is_wrong = abs(ahead_s) * 1000 > JUMP_MS
        if is_wrong != self._told[clock]:
            self._told[clock] = is_wrong
            if is_wrong:
                LOG.warning(event, ahead_s=round(ahead_s, 3))
            else:
                LOG.info("clock_is_right_again", clock=clock)
