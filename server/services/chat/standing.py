"""Who is banned, and whose tokens were revoked, for requests that the chat backend makes on behalf of a user.

A user's own connection ends with a ban. A request on behalf of a user has no connection, so it asks here; memory is
in step with the record on every server (see runtime/change_feed.py).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import Final, NamedTuple

from server.core.limits import Limits
from server.core.refusals import Reason, RequestRefused
from server.services.runtime.batching import Batcher
from server.services.runtime.bus import Bus
from server.services.runtime.change_feed import ChangeFeed
from server.services.runtime.events import AccessChange
from storage.postgres.chat.users import UserStore

BATCH_MAX: Final = 1_000  # users read at once
KEPT_MAX: Final = 100_000  # users in memory; more are dropped, the longest unused first


class Standing(NamedTuple):
    """What the record says of a user; tokens are accepted that were issued at `tokens_from_s` or later."""

    is_banned: bool
    tokens_from_s: int


GOOD: Final = Standing(is_banned=False, tokens_from_s=0)


class StandingService:
    """The standing of users. Raises RequestRefused."""

    def __init__(self, store: UserStore, changes: ChangeFeed, limits: Limits, bus: Bus) -> None:
        self._store = store
        self._kept: OrderedDict[int, Standing] = OrderedDict()  # the longest unused first
        self._changed_meanwhile: set[int] = set()  # while a read is under way
        self._missed_changes = False
        self.batcher: Batcher[int, Standing] = Batcher(self._load, BATCH_MAX, limits)
        changes.on_change("user", self.follow)
        changes.on_gap(self.catch_up)
        bus.subscribe(self._on_change, AccessChange)

    async def check(self, user_id: int) -> Standing:
        """The standing of a user who may act. Raises RequestRefused (BANNED)."""
        standing = self._kept.get(user_id)
        if standing is None:
            standing = await self.batcher.submit(user_id)
        else:
            self._kept.move_to_end(user_id)
        if standing.is_banned:
            raise RequestRefused(Reason.BANNED)
        return standing

    async def follow(self, user_id: int, version: int) -> None:
        """A user has changed, on whichever server."""
        self._drop(user_id)

    async def catch_up(self) -> None:
        """Any user may have changed."""
        self._kept.clear()
        self._missed_changes = True

    def _on_change(self, event: AccessChange, audience: Collection[int]) -> None:
        self._drop(event.user_id)

    def _drop(self, user_id: int) -> None:
        """Have nothing of this user in memory, nor take it from a read that began before now."""
        self._kept.pop(user_id, None)
        self._changed_meanwhile.add(user_id)

    async def _load(self, user_ids: list[int]) -> list[Standing]:
        self._changed_meanwhile.clear()  # batches are read one after the other
        self._missed_changes = False
        restricted = {row.user_id: row for row in await self._store.restricted(list(set(user_ids)))}
        found = {}
        for user_id in user_ids:
            row = restricted.get(user_id)
            found[user_id] = GOOD if row is None else Standing(row.is_banned, row.tokens_from_s)
        if not self._missed_changes:
            self._keep({one: found[one] for one in found if one not in self._changed_meanwhile})
        self._changed_meanwhile.clear()
        return [found[user_id] for user_id in user_ids]

    def _keep(self, found: dict[int, Standing]) -> None:
        self._kept.update(found)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
