"""What a store can answer besides facts."""

from __future__ import annotations


class StoreUnavailable(Exception):
    """The store did not answer in time or the connection was lost. What was being written may have happened."""


class StoreRefused(Exception):
    """The store is there but must not be used as it is: wrong version, wrong settings, a changed migration."""
