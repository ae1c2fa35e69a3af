"""Which claims are in their users' wallets, as result pages say it."""

from __future__ import annotations

from collections import OrderedDict

from storage.errors import StoreUnavailable
from storage.postgres.money.settlement import SettlementQueue

KEPT_MAX = 100_000  # claims in memory that are known to be credited; more are dropped, the oldest first


class CreditedClaims:
    """Looks a claim up until it is credited, and remembers it from then on: no credit is ever taken back."""

    def __init__(self, queue: SettlementQueue, kept_max: int = KEPT_MAX) -> None:
        self._queue = queue
        self._kept_max = kept_max
        self._credited: OrderedDict[tuple[int, int], None] = OrderedDict()

    async def has(self, user_id: int, packet_id: int) -> bool:
        """Whether this user's claim is credited; false if it cannot be read now."""
        claim = user_id, packet_id
        if claim in self._credited:
            return True
        try:
            if await self._queue.uncredited(user_id, packet_id):
                return False
        except StoreUnavailable:
            return False
        self._credited[claim] = None
        if len(self._credited) > self._kept_max:
            self._credited.popitem(last=False)
        return True
