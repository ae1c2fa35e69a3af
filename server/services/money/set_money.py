"""Money between two sets of PostgreSQL: what has left one set for a wallet in the other is brought there, once.

The transaction that takes it queues it; this loop has it recorded in the other set, and tells the user there. With
one set there is no such loop: both wallets change in one transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

from server.core.ledger import TransferKind, WalletBalance, reason_of
from server.services.runtime.bus import Bus
from server.services.runtime.events import BalanceChange
from server.services.runtime.look_again import look_again
from server.services.runtime.outage_log import OutageLog
from storage.postgres.sets.between.carrying import MoneyCarrier

BATCH_MAX: Final = 100


class SetMoney:
    """Brings transfers of one kind from one set to others; what is queued survives a crash."""

    def __init__(self, carrier: MoneyCarrier, kind: TransferKind, idle_s: float, bus: Bus) -> None:
        self._carrier = carrier
        self._reason = reason_of(kind)
        self._idle_s = idle_s
        self._bus = bus
        self._wake = asyncio.Event()
        self._outage_log = OutageLog(f"{self._reason}s_between_sets_wait")
        self.brought = 0
        bus.subscribe(self._on_balance_change, BalanceChange)

    def _on_balance_change(self, event: BalanceChange, audience: Collection[int]) -> None:
        """A wallet was debited, perhaps for one of another set: do not wait for the next look."""
        if event.change_fen < 0 and event.reason == self._reason:
            self._wake.set()

    async def run(self) -> None:
        """Bring. Never ends; to be supervised. Looks by itself every `idle_s`, for what other servers queue."""
        await look_again(self._bring_all, self._wake, self._outage_log)

    async def _bring_all(self) -> float:
        while await self.bring_once():
            pass
        return self._idle_s

    async def bring_once(self) -> int:
        """One batch, and tell the users; how many transfers were brought. Raises StoreUnavailable."""
        brought, arrived = await self._carrier.bring(BATCH_MAX)
        self.brought += brought
        for transfer, balance in arrived:
            event = BalanceChange(
                transfer.credit_account, WalletBalance(*balance), transfer.amount_fen, self._reason
            )
            self._bus.publish(event, (transfer.credit_account,))
        return brought
