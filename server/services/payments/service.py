"""Attempts at payments: a charge while its sender waits, and again, on a clock, whatever has not ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from server.core.payments import ENDED, Evidence, Order, PaymentKind, Verdict
from server.gateways.port import Gateway
from server.services.payments.evidence import EvidenceService
from server.services.runtime.look_again import look_again
from server.services.runtime.outage_log import OutageLog
from storage.postgres.money.payments import PaymentFigure, PaymentRow, PaymentStore

if TYPE_CHECKING:
    from server.clock import Clock

LOG = structlog.get_logger()
LOOK_S: Final = 0.5  # between two looks for payments that are due
FIGURES_S: Final = 5.0
LATE_MS: Final = 60_000  # a payment that is open for longer is told
IN_FLIGHT_MAX: Final = 64  # attempts of the loop


class PaymentService:
    """Makes attempts. What is not known is in the database; memory holds what is in flight."""

    def __init__(
        self,
        store: PaymentStore,
        gateway: Gateway,
        evidence: EvidenceService,
        clock: Clock,
        is_current: Callable[[], bool],
    ) -> None:
        """`is_current`: the server knows who may send now, as far as other servers have changed that."""
        self._is_current = is_current
        self.store, self.gateway, self.evidence = store, gateway, evidence
        self._clock = clock
        self._attempts: dict[int, asyncio.Task[PaymentRow]] = {}
        self._wake = asyncio.Event()
        self._outage_log = OutageLog("payments_wait")
        self._figures_at_s = 0.0
        self._is_late = False
        self.figures: list[PaymentFigure] = []

    @property
    def in_flight(self) -> int:
        """Attempts that are being made."""
        return len(self._attempts)

    def use_keys(self, keys: Mapping[str, bytes]) -> None:
        """Calls from now on are signed with these keys."""
        self.gateway.use_keys(keys)

    def look(self) -> None:
        """Payments have become due: do not wait for the next look."""
        self._wake.set()

    async def attempt(self, payment: PaymentRow) -> PaymentRow:
        """One attempt, which goes on if the caller is cancelled; the payment after it. Raises StoreUnavailable."""
        task = self._attempts.get(payment.number)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._attempt(payment))
            task.add_done_callback(_retrieve)
            self._attempts[payment.number] = task
        return await asyncio.shield(task)

    async def result(self, payment: PaymentRow) -> PaymentRow:
        """The payment after the attempt that is being made, if there is one."""
        return await self.attempt(payment) if payment.number in self._attempts else payment

    async def _attempt(self, payment: PaymentRow) -> PaymentRow:
        try:
            begun = await self.evidence.begin(payment)
            if begun is None:
                return payment
            order = Order(begun.number, PaymentKind(begun.kind), begun.user_id, begun.amount_fen)
            if begun.attempts > 1:  # an earlier call may have arrived
                found = await self.gateway.query(order)
                begun = await self.evidence.apply(begun, found)
                if found.verdict is not Verdict.NOT_FOUND or begun.state in ENDED:
                    return begun
            return await self.evidence.apply(begun, await self._submit(order))
        finally:
            self._attempts.pop(payment.number, None)

    async def _submit(self, order: Order) -> Evidence:
        if order.kind is PaymentKind.CHARGE:
            return await self.gateway.charge(order)
        return await self.gateway.payout(order)

    # --- the loop ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Ask again what is due. Never ends; to be supervised."""
        tasks: set[asyncio.Task[PaymentRow]] = set()
        try:
            await look_again(partial(self._look, tasks), self._wake, self._outage_log)
        except asyncio.CancelledError:  # after a failure the loop runs again, and attempts go on meanwhile
            for task in tasks | set(self._attempts.values()):
                task.cancel()
            await self.gateway.close()
            raise

    async def _look(self, tasks: set[asyncio.Task[PaymentRow]]) -> float:
        """Collect attempts that have ended, and begin others; seconds until the next look.

        Raises what an attempt has raised.
        """
        for task in [one for one in tasks if one.done()]:
            tasks.discard(task)
            task.result()
        room = (1 if self.gateway.is_away else IN_FLIGHT_MAX) - len(tasks)
        if room > 0 and self._is_current():
            due = await self.store.due(self._clock.now_ms(), list(self._attempts), room)
            tasks.update(asyncio.get_running_loop().create_task(self.attempt(one)) for one in due)
        if self._clock.elapsed_s() >= self._figures_at_s:
            self._figures_at_s = self._clock.elapsed_s() + FIGURES_S
            self.figures = await self.store.figures()
            self._tell_late()
        return LOOK_S

    def _tell_late(self) -> None:
        """One line when payments stay open for longer than a minute, one when no payment does any more."""
        before_ms = self._clock.now_ms() - LATE_MS
        late = [one for one in self.figures if one.kind and one.oldest_ms is not None and one.oldest_ms < before_ms]
        if late and not self._is_late:
            oldest_s = (self._clock.now_ms() - min(one.oldest_ms or 0 for one in late)) // 1000
            advice = "does the host wallet respond? hongbao payments"
            LOG.warning("payments_unknown_for_long", oldest_s=oldest_s, advice=advice)
        elif self._is_late and not late:
            LOG.info("payments_unknown_for_long_no_longer")
        self._is_late = bool(late)


def _retrieve(task: asyncio.Task[PaymentRow]) -> None:
    """A failed attempt is no defect if its request has ended: the payment is asked again."""
    if not task.cancelled():
        task.exception()
