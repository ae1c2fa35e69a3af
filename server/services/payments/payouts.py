"""Payouts: what claims and refunds leave in wallets goes to the other book, all that a wallet holds at once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from server.core import ledger
from server.core.ids import IdMaker
from server.core.ledger import TransferKind, WalletBalance
from server.core.refusals import RequestRefused
from server.gateways.port import Gateway
from server.services.payments.evidence import PayoutEnded
from server.services.payments.service import PaymentService
from server.services.runtime.bus import Bus
from server.services.runtime.events import BalanceChange
from server.services.runtime.outage_log import OutageLog
from server.services.runtime.store_errors import StoreUnavailable, at_once_or_each
from storage.postgres.money.payments import PaymentRow
from storage.postgres.money.wallets import TransferRow

if TYPE_CHECKING:
    from server.clock import Clock
    from server.services.risk.gate import MoneyGate
    from storage.postgres.sets.places import Sets

FOLD_S: Final = 0.5  # credits of so long go out together
BATCH_MAX: Final = 500  # payouts ordered in one transaction
PAGE_MAX: Final = 5_000  # wallets looked at, at once
SCAN_S: Final = 60.0  # between two looks through all wallets: a crash, or another server, may have left money there
FAILED_PAUSE_MS: Final = 3_600_000  # after a payout that failed the user gets no other for so long


class PayoutService:
    """Orders payouts. Credits of this server say where to look; a slow scan finds the rest."""

    def __init__(
        self,
        payments: PaymentService,
        gateway: Gateway,
        ids: IdMaker,
        clock: Clock,
        bus: Bus,
        gate: MoneyGate,
        sets: Sets,
    ) -> None:
        """`gateway`: what wallets hold goes there. `gate`: what risk control lets pass. `sets`: where they are."""
        self._gate, self._sets = gate, sets
        self._payments, self._gateway = payments, gateway
        self._ids, self._clock, self._bus = ids, clock, bus
        self._credited: dict[int, None] = {}  # users in the order of their credits
        self._scanned: int | None = 0  # the user up to which this scan has come; None: it has ended
        self._scan_at_s = 0.0
        self._outage_log = OutageLog("payouts_wait")
        bus.subscribe(self._on_balance, BalanceChange)
        bus.subscribe(self._on_ended, PayoutEnded)

    def _on_balance(self, event: BalanceChange, audience: Collection[int]) -> None:
        if event.balance.fen > 0:
            self._credited[event.user_id] = None
        else:
            self._credited.pop(event.user_id, None)

    def _on_ended(self, event: PayoutEnded, audience: Collection[int]) -> None:
        """What has come into the wallet since that payout was ordered can go out now."""
        self._credited[event.user_id] = None

    async def run(self) -> None:
        """Order payouts. Never ends; to be supervised."""
        while True:
            try:
                await self._scan()
                while users := list(self._credited)[:BATCH_MAX]:
                    await at_once_or_each(self.order, users)  # a user whose wallet is locked comes again
                self._outage_log.is_over()
            except StoreUnavailable as error:
                self._outage_log.begins(error)
            await asyncio.sleep(FOLD_S)

    async def _scan(self) -> None:
        """Look at the next page of wallets, if it is time for a scan."""
        if self._scanned is None and self._clock.elapsed_s() >= self._scan_at_s:
            self._scanned = 0
        if self._scanned is not None:
            found, self._scanned = await self._payments.store.page_of_wallets(self._scanned, PAGE_MAX)
            self._credited.update(dict.fromkeys(found))
            self._scan_at_s = self._clock.elapsed_s() + SCAN_S

    async def order(self, users: Sequence[int]) -> None:
        """Order payouts of all that these users have, for those who get one now. Raises StoreUnavailable.

        What risk control holds back is looked at again by the next scan.
        """
        now_ms = self._clock.now_ms()
        passes = await asyncio.gather(*map(self._passes, users))
        passing = [user_id for user_id, may in zip(users, passes, strict=True) if may]
        places = await self._sets.place(passing)
        made = await self._payments.store.create_payouts(
            {user_id: self._ids.next(now_ms, places[user_id]) for user_id in passing},
            self._gateway.name,
            _transfer,
            now_ms,
            now_ms - FAILED_PAUSE_MS,
        )
        for user_id in users:
            self._credited.pop(user_id, None)
        for payment, balance, _ in made:
            assert balance is not None
            event = BalanceChange(payment.user_id, WalletBalance(*balance), -payment.amount_fen, "payout")
            self._bus.publish(event, (payment.user_id,))
        if made:
            self._payments.look()

    async def _passes(self, user_id: int) -> bool:
        try:
            await self._gate.check_withdrawal(user_id)
        except RequestRefused:
            return False
        return True


def _transfer(payment: PaymentRow) -> TransferRow:
    user_id, number, at_ms = payment.user_id, str(payment.number), payment.created_at_ms
    return TransferRow(user_id, ledger.IN_TRANSIT, TransferKind.PAYOUT, number, payment.amount_fen, at_ms)
