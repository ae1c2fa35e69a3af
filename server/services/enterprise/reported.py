"""Of whom an event was reported to a sponsor: users who may shake in a campaign that is for them.

The record decides. Memory holds of each user who has asked whether they are in, so a user costs one look-up. A
report drops what memory says of its user on all servers, over the change feed, before it is answered.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Container
from typing import Final
from weakref import WeakValueDictionary

from server.core.enterprise.events import EventKind
from server.core.limits import Limits
from server.services.runtime.batching import Batcher
from server.services.runtime.change_feed import ChangeFeed
from storage.postgres.enterprise.bills import BillStore, ReportedRow

KNOWN_MAX: Final = 1_000_000  # users of one audience; of others the record is asked again
LOOKED_UP_MAX: Final = 1_000


class EventAudience(Container[int]):
    """The users of whom an event of a kind was reported to a sponsor, as far as memory knows."""

    def __init__(self, sponsor_id: int, kind: EventKind) -> None:
        self.sponsor_id, self.kind = sponsor_id, kind
        self._known: OrderedDict[int, bool] = OrderedDict()

    def __contains__(self, user_id: object) -> bool:
        """Whether a user is known to be in."""
        return isinstance(user_id, int) and self._known.get(user_id, False)

    def known(self, user_id: int) -> bool | None:
        """Whether a user is in; None: the record must be asked."""
        return self._known.get(user_id)

    def learn(self, user_id: int, is_in: bool) -> None:
        """The record says so."""
        self._known[user_id] = is_in
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)

    def forget(self, user_id: int) -> None:
        """Who is in stays in. What was read of others before a report is not true any more."""
        if self._known.get(user_id) is False:
            del self._known[user_id]

    def forget_others(self) -> None:
        """Any user who was not in may be in by now."""
        for user_id in [one for one, is_in in self._known.items() if not is_in]:
            del self._known[user_id]


class ReportedUsers:
    """Audiences in memory, in step with the record. Raises RequestRefused, StoreUnavailable."""

    def __init__(self, store: BillStore, changes: ChangeFeed, limits: Limits) -> None:
        self._store = store
        self._changes = changes
        self._audiences: WeakValueDictionary[tuple[int, str], EventAudience] = WeakValueDictionary()
        self.batcher: Batcher[ReportedRow, bool] = Batcher(self._look_up, LOOKED_UP_MAX, limits)
        self._is_reading = False
        self._changed: set[int] = set()  # users who were reported while the record was being read
        self._missed = False  # or any user may have been
        changes.on_change("event", self.follow)
        changes.on_gap(self.catch_up)

    def audience(self, sponsor_id: int, kind: EventKind) -> EventAudience:
        """The audience, which is in memory as long as a campaign has it."""
        key = sponsor_id, kind
        found = self._audiences.get(key)
        if found is None:
            found = self._audiences[key] = EventAudience(*key)
        return found

    def look_up(self, audience: EventAudience, user_id: int) -> asyncio.Future[bool]:
        """Ask the record whether a user is in."""
        return self.batcher.submit(ReportedRow(audience.sponsor_id, audience.kind, user_id))

    async def tell(self, user_id: int, number: int) -> None:
        """An event was reported of a user: returns when every server knows."""
        await self.follow(user_id, number)
        await self._changes.wait_until_told("event", user_id, number)

    async def follow(self, user_id: int, version: int) -> None:
        """An event was reported of a user somewhere."""
        for one in list(self._audiences.values()):
            one.forget(user_id)
        if self._is_reading:
            self._changed.add(user_id)

    async def catch_up(self) -> None:
        """Events may have been reported of any user."""
        for one in list(self._audiences.values()):
            one.forget_others()
        self._missed = self._is_reading

    async def _look_up(self, asked: list[ReportedRow]) -> list[bool]:
        self._is_reading, self._missed = True, False
        self._changed.clear()
        try:
            found = await self._store.reported(asked)
        finally:
            self._is_reading = False
        for one in asked:
            audience = self._audiences.get((one.sponsor_id, one.kind))
            is_overtaken = self._missed or one.user_id in self._changed
            if audience is not None and (one in found or not is_overtaken):
                audience.learn(one.user_id, one in found)
        return [one in found for one in asked]
