"""After a gap: what other servers may have wanted to tell users here is read from the record and told.

A gap begins when a peer is lost, and ends when the other server is gone or has noted the users here again. While a
server lives that is not reached, the gap stays open: users here are told of what happens there within seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from server.core.ids import is_user
from server.net.hub import Hub
from server.services.chat.passes import PassService
from server.services.runtime.missed_news import USERS_AT_ONCE, MissedNews
from server.services.runtime.store_errors import StoreUnavailable

LOG = structlog.get_logger()
# So long before the gap was seen the time of a message may be that was lost: a server froze, and was cut; or a post
# bears the time of its credit, and has waited in the outbox while PostgreSQL was away.
BEFORE_MS: Final = 60_000
SOON_S: Final = 0.2  # several peers may be lost at once, and what their servers had begun is recorded by then
LATER_S: Final = 2.0  # once more: a server that freezes may have committed and not told
AWAY_S: Final = 0.5


class GapHealing:
    """Tells users here what they may have missed."""

    def __init__(
        self,
        hub: Hub,
        news: MissedNews,
        passes: PassService,
        now_ms: Callable[[], int],
        look_again: Callable[[], None],
    ) -> None:
        """`look_again` reads the packets again that connections here follow."""
        self._look_again = look_again
        self._hub = hub
        self._news = news
        self._passes = passes
        self._now_ms = now_ms
        self._since_ms: int | None = None  # the beginning of the gap
        self._whole_ms = now_ms()  # until then nothing that happened elsewhere was missed
        self.gaps = 0  # noticed; several at once are one
        self._wake = asyncio.Event()

    def begin(self, silent_s: float = 0.0) -> None:
        """News may have been lost since all servers were last known to be reached.

        For `silent_s` nothing had come when that was found.
        """
        self.gaps += self._since_ms is None
        self._go_on(silent_s)

    def beat(self, is_whole: bool) -> None:
        """After each beat of this server: whether each server that lives is reached. If not, the gap goes on."""
        if is_whole:
            self._whole_ms = self._now_ms()
        else:
            self._go_on()

    def _go_on(self, silent_s: float = 0.0) -> None:
        since_ms = min(self._whole_ms, self._now_ms() - int(silent_s * 1000)) - BEFORE_MS
        self._since_ms = since_ms if self._since_ms is None else min(self._since_ms, since_ms)
        self._wake.set()

    async def run(self) -> None:
        """Heal gaps. Never ends; to be supervised."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for pause_s in (SOON_S, LATER_S):
                await asyncio.sleep(pause_s)
                await self._heal()
            if not self._wake.is_set():
                self._since_ms = None

    async def _heal(self) -> None:
        while True:
            began_ms, since_ms = self._now_ms(), self._since_ms
            assert since_ms is not None
            self._look_again()
            told, why = await self._tell_all(since_ms)
            if not why:
                self._whole_ms = max(self._whole_ms, began_ms)  # what is older has been told now
                if self._since_ms == since_ms:  # else a gap was found meanwhile that began earlier
                    self._since_ms = max(since_ms, began_ms - BEFORE_MS)
                return
            LOG.info("gap_waits", why=why)
            if told:
                self._wake.set()  # one set of several is away: for its users the gap stays open
                return
            await asyncio.sleep(AWAY_S)

    async def _tell_all(self, since_ms: int) -> tuple[int, str]:
        """How many parts of the users here were told, and why others were not; empty: all were."""
        told, why = 0, ""
        user_ids = [one for one in self._hub.user_ids() if is_user(one)]
        for first in range(0, len(user_ids), USERS_AT_ONCE):
            try:
                parts = await self._news.in_parts(user_ids[first : first + USERS_AT_ONCE])
            except StoreUnavailable as error:
                return told, str(error)
            for some in parts:
                try:
                    await self._tell(some, since_ms)
                    told += 1
                except StoreUnavailable as error:
                    why = str(error)
        return told, why

    async def _tell(self, user_ids: list[int], since_ms: int) -> None:
        here = set(user_ids)
        by_pass = {group_id for user_id, group_id, _ in self._passes.all_held() if user_id in here}
        for post, viewers in await self._news.posts(user_ids, list(by_pass), since_ms):
            self._hub.announce(post, viewers)
        for change in await self._news.balances(self._hub.balance_versions(user_ids)):
            self._hub.announce(change, (change.user_id,))
