"""Outages of a store: one line when it begins, one when it ends. One line per attempt would flood the log."""

from __future__ import annotations

import structlog

from storage.errors import StoreUnavailable

LOG = structlog.get_logger()


class OutageLog:
    """The log of one kind of work. `waits` is the event of the begin, `waits`_no_longer that of the end."""

    def __init__(self, waits: str) -> None:
        self._waits = waits
        self._is_told = False

    def begins(self, error: StoreUnavailable) -> None:
        """An attempt has failed."""
        if not self._is_told:
            self._is_told = True
            LOG.warning(self._waits, why=str(error))

    def is_over(self) -> None:
        """An attempt has succeeded."""
        if self._is_told:
            self._is_told = False
            LOG.info(f"{self._waits}_no_longer")
