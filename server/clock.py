"""The only module that reads a clock or makes random numbers; all code below receives them as arguments."""

from __future__ import annotations

import secrets
import struct
import time
from typing import Final

_MANY: Final = struct.Struct("256Q")
_NUMBERS: Final[list[int]] = []


def now_ms() -> int:
    """Milliseconds since 1970 (UTC)."""
    return time.time_ns() // 1_000_000


def elapsed_s() -> float:
    """Seconds on a monotonic clock; only the difference of two readings has a meaning."""
    return time.monotonic()


def random_number() -> int:
    """An unpredictable number in 1…2^62."""
    if not _NUMBERS:
        _NUMBERS.extend(_MANY.unpack(secrets.token_bytes(_MANY.size)))  # one system call for many grabs
    return _NUMBERS.pop() % (1 << 62) + 1


def random_bytes(size: int) -> bytes:
    """Unpredictable bytes."""
    return secrets.token_bytes(size)


def random_part() -> float:
    """A number in [0, 1), for jitter."""
    return random_number() / ((1 << 62) + 1)
