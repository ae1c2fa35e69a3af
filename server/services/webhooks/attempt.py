"""What became of one attempt to deliver an event."""

from __future__ import annotations

from typing import Final, NamedTuple

GONE: Final = 410


class Attempt(NamedTuple):
    """What became of one request. `status` 0: no answer, `error` says why."""

    status: int
    error: str

    @property
    def is_delivered(self) -> bool:
        """The receiver has accepted it."""
        return 200 <= self.status < 300

    @property
    def why(self) -> str:
        """Why it was not delivered, without anything that the receiver wrote."""
        return self.error or f"status {self.status}"

    @property
    def is_gone(self) -> bool:
        """The receiver wants no more."""
        return self.status == GONE
