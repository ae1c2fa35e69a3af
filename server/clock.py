"""The only place that reads a clock or draws random numbers; everything below gets them as arguments."""

from __future__ import annotations

import secrets
import struct
import time
from functools import partial
from typing import Final

from server.core.carried_time import CarriedTime, TimeProbe

# the clock of Linux that also runs while the machine sleeps
_CARRYING: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_MANY: Final = struct.Struct("256Q")


class Clock:
    """The clock and the randomness of one server. Tests and the simulator hand in another one.

    `carrying_s()` carries the time of the database from one probe to the next, `elapsed_s()` measures: both are
    seconds that never jump, of which only differences mean something. Each request reads them, so no Python
    function stands around them.
    """

    carrying_s = staticmethod(partial(time.clock_gettime, _CARRYING))
    elapsed_s = staticmethod(time.monotonic)

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._parts: list[float] = []
        self._carried = CarriedTime(self.local_ms(), self.carrying_s())

    def now_ms(self) -> int:
        """Milliseconds since 1970 (UTC): by the database, or by this machine until the first probe."""
        return int(self._carried.at(self.carrying_s()))

    def local_ms(self) -> float:
        """The clock of this machine, milliseconds since 1970. It may be set at any moment: no rule may use it."""
        return time.time_ns() / 1_000_000

    def probed(self, probe: TimeProbe) -> None:
        """The database said its time."""
        self._carried.probed(probe, self.carrying_s())

    @property
    def is_confirmed(self) -> bool:
        """What is final, such as a refund, may be done by this time."""
        return self._carried.is_confirmed

    @property
    def jump_ms(self) -> float:
        """How far the database's clock has jumped, while that is not accepted; 0.0: it has not."""
        return self._carried.jump_ms

    @property
    def local_ahead_ms(self) -> float:
        """How far the clock of this machine is ahead of the server's time."""
        return self._carried.local_ahead_ms

    def random_number(self) -> int:
        """An unpredictable number in 1…2^62."""
        if not self._numbers:
            self._numbers.extend(_MANY.unpack(secrets.token_bytes(_MANY.size)))  # one system call for many grabs
        return self._numbers.pop() % (1 << 62) + 1

    def random_bytes(self, size: int) -> bytes:
        """Unpredictable bytes."""
        return secrets.token_bytes(size)

    def random_part(self) -> float:
        """An unpredictable number in [0, 1): a multiple of 2^-53."""
        if not self._parts:
            self._parts = [(number >> 11) / 2**53 for number in _MANY.unpack(secrets.token_bytes(_MANY.size))]
        return self._parts.pop()
