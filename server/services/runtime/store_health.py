"""The health of a store: the one value that every screen, metric and log line reads.

It rests on a write that is repeated for as long as the server serves, also while no user does anything: a store
that answers and refuses writes is of no use. A write of the server itself proves as much, so a busy server probes
less often. A failure counts at once, the end of an outage only after GOOD_PROBES_MIN probes in a row, so a store at
its limit does not alternate between up and away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from storage.errors import StoreUnavailable

LOG = structlog.get_logger()
# An outage is on every screen within 2 s: this pause, the time until a probe fails (0.7 s if there is no answer),
# and the second between two samples.
EVERY_S: Final = 0.3
UNPROBED_S_MAX: Final = 0.9  # a probe looks for more causes than a write: for so long other writes replace it
GOOD_PROBES_MIN: Final = 3
CAUSES_MAX: Final = 5  # that the log names in one outage: the first one may be a connection that broke for another
LATE_S: Final = 0.1  # a probe that fails so long after its timeout may have failed because this process stood still


class StoreHealth:
    """`why` the store cannot be used (empty: it can), and a `warning` about one that can."""

    def __init__(self, store: str, probe: Callable[[], Awaitable[None]], timeout_s: float) -> None:
        """`probe` writes to the store. It raises StoreUnavailable, at the latest after `timeout_s`."""
        self._store = store
        self._probe = probe
        self._late_s = timeout_s + LATE_S
        self.why = ""
        self.warning = ""
        self._told: set[str] = set()  # causes in the log of this outage
        self._good_probes = 0
        self._good_probes_wanted = 1
        self._may_be_late = True
        self._wrote_s = float("-inf")

    @property
    def is_up(self) -> bool:
        """The store can be used."""
        return not self.why

    @property
    def partly_away(self) -> str:
        """What cannot be used of a store that is up; empty: nothing."""
        return ""

    def lost(self, error: StoreUnavailable) -> None:
        """A call failed."""
        self._good_probes = 0
        self.why = str(error) or f"{self._store}: no answer"
        if self.why not in self._told and len(self._told) < CAUSES_MAX:
            self._told.add(self.why)
            LOG.warning(f"{self._store}_is_away", why=self.why)

    def wrote(self) -> None:
        """The server has written to the store."""
        self._wrote_s = asyncio.get_running_loop().time()

    def warn(self, warning: str) -> None:
        """Something about the store should be changed; empty: nothing."""
        if warning and warning != self.warning:
            LOG.warning(f"{self._store}_settings", why=warning)
        self.warning = warning

    async def run(self) -> None:
        """Probe. Never ends; to be supervised."""
        while True:
            await self.probe_once()
            await self._pause()

    async def _pause(self) -> None:
        """Until the newest write is EVERY_S old."""
        clock = asyncio.get_running_loop().time
        end_s = clock() + UNPROBED_S_MAX
        await asyncio.sleep(EVERY_S)
        while self.is_up and (pause_s := min(self._wrote_s + EVERY_S, end_s) - clock()) > 0:  # noqa: ASYNC110  a time
            await asyncio.sleep(pause_s)

    async def probe_once(self) -> None:
        """Write once, and judge the store by the outcome."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            await self._probe()
        except StoreUnavailable as error:
            if loop.time() - began_s > self._late_s and self._may_be_late:
                self._may_be_late = False  # once: a second one that fails so late proves an outage
                return
            self.lost(error)
            self._good_probes_wanted = GOOD_PROBES_MIN
        else:
            self._may_be_late = True
            self._good()

    def _good(self) -> None:
        self._good_probes += 1
        if self.why and self._good_probes >= self._good_probes_wanted:
            self.why, self._good_probes_wanted = "", 1
            self._told.clear()
            LOG.info(f"{self._store}_is_back")
