"""Whose turn it is after a packet (接龙), as result pages say it: read once, then remembered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

from server.core.everyday.relay import next_fen
from server.core.limits import Limits
from server.core.packet_request import Terms
from server.core.refusals import RequestRefused
from server.services.runtime.batching import Batcher
from storage.postgres.chat.relays import RelayStore, TurnAfter

BATCH_MAX: Final = 500  # packets read at once
KEPT_MAX: Final = 100_000  # packets in memory whose turn is known, or known not to come; the oldest go first


class Turn(NamedTuple):
    """Who is to send the next packet, in which group, and how much it is to hold."""

    group_id: int
    user_id: int
    amount_fen: int


class TurnService:
    """Looks up a packet until the settlement has recorded its best luck, and with it the turn: then it stays so."""

    def __init__(self, store: RelayStore, limits: Limits, kept_max: int = KEPT_MAX) -> None:
        self._store, self._kept_max = store, kept_max
        self._kept: OrderedDict[int, TurnAfter | None] = OrderedDict()
        self.batcher: Batcher[int, TurnAfter | None] = Batcher(self._load, BATCH_MAX, limits)

    async def after(self, terms: Terms) -> Turn | None:
        """The turn after a packet that is finished; None: there is none, not yet, or it cannot be read now."""
        if not terms.kind.row.has_best_luck:
            return None
        if terms.packet_id in self._kept:
            found = self._kept[terms.packet_id]
        else:
            try:
                found = await self.batcher.submit(terms.packet_id)
            except RequestRefused:  # a page without it is better than none
                return None
        if found is None:
            return None
        return Turn(found.group_id, found.user_id, next_fen(terms, found.best_fen, found.times))

    async def _load(self, packet_ids: list[int]) -> Sequence[TurnAfter | None]:
        found = await self._store.turns_after(packet_ids)
        self._kept.update(found)
        while len(self._kept) > self._kept_max:
            self._kept.popitem(last=False)
        return [found.get(packet_id) for packet_id in packet_ids]
