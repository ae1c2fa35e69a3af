"""The only place that reads a clock or rolls dice; everything below gets them as arguments."""

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
    """Seconds on a clock that never jumps; only what lies between two readings means something."""
    return time.monotonic()


def random_number() -> int:
    """A number in 1…2^62 that nobody can guess."""
    if not _NUMBERS:
        _NUMBERS.extend(_MANY.unpack(secrets.token_bytes(_MANY.size)))  # one system call for many grabs
    return _NUMBERS.pop() % (1 << 62) + 1


def random_bytes(size: int) -> bytes:
    """Bytes that nobody can guess."""
    return secrets.token_bytes(size)


def random_part() -> float:
    """A number in [0, 1), for jitter."""
    return random_number() / ((1 << 62) + 1)
