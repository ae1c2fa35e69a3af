"""Transfers between users of two sets of PostgreSQL: what has left one set is brought to the other, once.

The transaction that debits the sender queues the order; this loop has it recorded in the receiver's set, and tells
the receiver. With one set there is no such loop: both wallets change in one transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

from server.core.ledger import TransferKind, WalletBalance
from server.services.runtime.bus import Bus
from server.services.runtime.events import BalanceChange
from server.services.runtime.look_again import look_again
from server.services.runtime.outage_log import OutageLog
from storage.postgres.sets.orders import SetOrderCarrier

BATCH_MAX: Final = 100


class SetOrders:
    """Brings the orders of one set to others; what is queued survives a crash."""

    def __init__(self, carrier: SetOrderCarrier, idle_s: float, bus: Bus) -> None:
        self._carrier = carrier
        self._idle_s = idle_s
        self._bus = bus
        self._wake = asyncio.Event()
        self._outage_log = OutageLog("set_orders_wait")
        self.brought = 0
        bus.subscribe(self._on_balance_change, BalanceChange)

    def _on_balance_change(self, event: BalanceChange, audience: Collection[int]) -> None:
        """A sender was debited, perhaps for a transfer: do not wait for the next look."""
        if event.change_fen < 0:
            self._wake.set()

    async def run(self) -> None:
        """Bring. Never ends; to be supervised. Looks by itself every `idle_s`, for orders of other servers."""
        await look_again(self._bring_all, self._wake, self._outage_log)

    async def _bring_all(self) -> float:
        while await self.bring_once():
            pass
        return self._idle_s

    async def bring_once(self) -> int:
        """One batch, and tell the receivers; how many orders were brought. Raises StoreUnavailable."""
        brought, arrived = await self._carrier.bring(BATCH_MAX)
        self.brought += brought
        for order, balance in arrived:
            reason = TransferKind.TRANSFER.name.lower()
            event = BalanceChange(order.other_id, WalletBalance(*balance), order.amount_fen, reason)
            self._bus.publish(event, (order.other_id,))
        return brought
