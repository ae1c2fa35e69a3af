"""The only place that reads a clock or draws random numbers; everything below gets them as arguments."""

from __future__ import annotations

import secrets
import struct
import time
from typing import Final

_MANY: Final = struct.Struct("256Q")


class Clock:
    """The clock and the randomness of one server. Tests and the simulator hand in another one."""

    def __init__(self) -> None:
        self._numbers: list[int] = []

    def now_ms(self) -> int:
        """Milliseconds since 1970 (UTC)."""
        return time.time_ns() // 1_000_000

    def elapsed_s(self) -> float:
        """Seconds on a clock that never jumps; only the difference of two readings means something."""
        return time.monotonic()

    def random_number(self) -> int:
        """An unpredictable number in 1…2^62."""
        if not self._numbers:
            self._numbers.extend(_MANY.unpack(secrets.token_bytes(_MANY.size)))  # one system call for many grabs
        return self._numbers.pop() % (1 << 62) + 1

    def random_bytes(self, size: int) -> bytes:
        """Unpredictable bytes."""
        return secrets.token_bytes(size)

    def random_part(self) -> float:
        """A number in [0, 1), for jitter."""
        return self.random_number() / ((1 << 62) + 1)
