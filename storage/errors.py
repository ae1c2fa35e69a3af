"""What a store can answer besides facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class StoreUnavailable(Exception):
    """The store did not answer in time or the connection was lost. What was being written may have happened."""


class StoreBusy(StoreUnavailable):
    """The store refused the statement because of another transaction's lock, and wrote nothing."""


class PartlyLocked(StoreUnavailable):
    """The part of a batch whose rows were not locked is recorded; `locked` are the packets of the other part."""

    def __init__(self, accepted: set[int], locked: set[int]) -> None:
        super().__init__("PostgreSQL: another transaction locks the packet")
        self.accepted = accepted
        self.locked = locked


class Unanswered(StoreUnavailable):
    """The commit of a batch was requested and perhaps done; `asked` is what the batch made, to be looked for."""

    def __init__(self, why: StoreUnavailable, asked: Sequence[Any]) -> None:
        super().__init__(str(why))
        self.asked = asked


class StoreRefused(Exception):
    """The store is there but must not be used as it is: wrong version, wrong settings, a changed migration."""
