"""Ids: what a number names can be read off its size.

User ids belong to the chat app: 1 … 2^53−1 (they fit a float, so any client can hold them). Ids that we make are
63-bit, ordered by time, and begin above that: milliseconds since 2025 in the upper 41 bits, then 10 bits for the
node that made it and 12 bits that count within a millisecond. So one number space serves users, groups and packets,
and a stream or an account needs no second column that says what it is.
"""

from __future__ import annotations

from typing import Final

EPOCH_MS: Final = 1_735_689_600_000  # 2025-01-01T00:00:00Z
NODE_BITS: Final = 10
COUNT_BITS: Final = 12
USER_ID_MAX: Final = 2**53 - 1
BACKEND: Final = 0  # the chat backend itself; also the account of the outside world


def is_user(number: int) -> bool:
    """True for a user's id, False for one that we made."""
    return 0 < number <= USER_ID_MAX


class IdMaker:
    """Makes ids that grow: over 4,096 in one millisecond borrow from the next; a clock set back is waited out."""

    __slots__ = ("_last", "_node")

    def __init__(self, node: int = 0) -> None:
        if not 0 <= node < 1 << NODE_BITS:
            raise ValueError(f"node must be in 0…{(1 << NODE_BITS) - 1}")
        self._node = node
        # milliseconds and count in one number; begins above every user id, even if the clock says 1970
        self._last = USER_ID_MAX >> NODE_BITS

    def next(self, now_ms: int) -> int:
        """The next id at the time `now_ms` (milliseconds since 1970)."""
        self._last = max(self._last + 1, (now_ms - EPOCH_MS) << COUNT_BITS)
        milliseconds, count = divmod(self._last, 1 << COUNT_BITS)
        return (milliseconds << (NODE_BITS + COUNT_BITS)) | (self._node << COUNT_BITS) | count
