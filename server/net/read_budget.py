"""What a user may have read to them: bytes and rows, charged when a reply is known."""

from __future__ import annotations

from protocol.messages import Message
from server.core.limits import Limits
from server.net.token_bucket import TokenBucket


class ReadBudget:
    """Two token buckets of one user. A reply may leave a debt; until it is paid, reads are refused."""

    __slots__ = ("_bytes", "_rows")

    def __init__(self, limits: Limits, now_s: float) -> None:
        self._bytes = TokenBucket(limits.read_bytes_burst, now_s)
        self._rows = TokenBucket(limits.read_rows_burst, now_s)

    def debt_s(self, limits: Limits, now_s: float) -> float:
        """How long the user must wait before the next read."""
        return max(
            self._bytes.debt_s(now_s, limits.read_bytes_per_s, limits.read_bytes_burst),
            self._rows.debt_s(now_s, limits.read_rows_per_s, limits.read_rows_burst),
        )

    def charge(self, limits: Limits, now_s: float, size: int, rows: int) -> None:
        """A reply of so many bytes and rows has left."""
        self._bytes.owe(now_s, limits.read_bytes_per_s, limits.read_bytes_burst, size)
        self._rows.owe(now_s, limits.read_rows_per_s, limits.read_rows_burst, rows)

    def is_full(self, limits: Limits, now_s: float) -> bool:
        """As if it had never been used."""
        return self._bytes.is_full(now_s, limits.read_bytes_per_s, limits.read_bytes_burst) and self._rows.is_full(
            now_s, limits.read_rows_per_s, limits.read_rows_burst
        )


def rows_in(reply: Message) -> int:
    """How many messages, members, lines or names a reply holds."""
    fields = (getattr(reply, name) for name in reply.__struct_fields__)
    return sum(len(field) for field in fields if isinstance(field, list))
