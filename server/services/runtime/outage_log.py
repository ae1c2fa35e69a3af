"""Trouble with a store, logged once when it begins and once when it is over: a line a try would bury all else."""

from __future__ import annotations

import structlog

from storage.errors import StoreUnavailable

LOG = structlog.get_logger()


class OutageLog:
    """Of one kind of work. `waits` names the line of its beginning, `waits`_no_longer that of its end."""

    def __init__(self, waits: str) -> None:
        self._waits = waits
        self._is_told = False

    def begins(self, error: StoreUnavailable) -> None:
        """A try has failed."""
        if not self._is_told:
            self._is_told = True
            LOG.warning(self._waits, why=str(error))

    def is_over(self) -> None:
        """A try has succeeded."""
        if self._is_told:
            self._is_told = False
            LOG.info(f"{self._waits}_no_longer")
