"""The changes of the wallet: told live, and fetched after a time without a connection."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from client_sim.sdk.ask import Ask
from client_sim.sdk.errors import ClientError
from client_sim.sdk.pushes import MissedChanges, PushQueue
from protocol import messages


class BalanceFeed:
    """Queues missed changes for the app. `version`: of the last one told, None before the first login."""

    def __init__(self, queue: PushQueue, version: int | None) -> None:
        self.version = version
        self._queue = queue
        self._is_fetching = False

    def pushed(self, push: messages.Message) -> None:
        """A live change counts, unless older ones are still being fetched."""
        if isinstance(push, messages.BalanceChanged) and not self._is_fetching:
            self.version = max(self.version or 0, push.version)

    def welcomed(self, ask: Ask, version: int) -> Coroutine[Any, Any, None] | None:
        """The work of fetching the changes up to the version of a welcome; None if no change was missed."""
        if self.version is None:
            self.version = version
        if self.version >= version or self._is_fetching:
            return None
        self._is_fetching = True
        return self._fetch(ask, self.version)

    async def _fetch(self, ask: Ask, after_version: int) -> None:
        """Page after page. If the connection is lost meanwhile, the next login goes on behind the last page."""
        try:
            more = True
            while more:
                page = await ask(messages.GetEntries(0, after_version), messages.Entries)
                more = page.more
                if page.entries:
                    after_version = self.version = page.entries[-1].version
                    self._queue.put(MissedChanges(page.entries))
        except ClientError:
            return
        finally:
            self._is_fetching = False
