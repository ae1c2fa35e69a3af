"""The clocks of a world: that of the database, and that of each server, which the nemesis sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.clock import Clock
from server.core.carried_time import TimeProbe

if TYPE_CHECKING:
    from tests.sim.world import World

EPOCH_MS = 1_800_000_000_000
JUMPS_MS = (25 * 3_600_000, -25 * 3_600_000, 90_000, 3_000)
JUMP_S = 2.5  # so long a clock stays set


class SimClock(Clock):
    """The clock of one process. It begins with a probe, as a server does before it serves."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        self.number = number
        super().__init__()
        started_s = self.carrying_s()
        database_ms = world.database_ms() + number * world.plan.skew_ms  # not exact: the answer took long
        self.probed(TimeProbe(database_ms, started_s, started_s, self.local_ms()))

    def local_ms(self) -> float:
        """The clock of the machine."""
        return self._world.true_ms() + self._world.local_jumps_ms.get(self.number, 0)

    def carrying_s(self) -> float:
        """Never jumps."""
        return self._world.loop.time()

    def elapsed_s(self) -> float:
        """The same."""
        return self._world.loop.time()

    def random_number(self) -> int:
        """Drawn from the seed of the world."""
        return self._world.rng.randrange(1, 1 << 62)

    def random_bytes(self, size: int) -> bytes:
        """Drawn from the seed of the world."""
        return self._world.rng.randbytes(size)

    def random_part(self) -> float:
        """Drawn from the seed of the world."""
        return self._world.rng.random()
