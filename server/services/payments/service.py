"""Attempts at payments: a charge while its sender waits, and again, on a clock, whatever has not ended.

Each payment is asked about at the gateway that it was recorded with. One that is away holds up no other one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, cast

import structlog

from server.core.payments import ENDED, Evidence, Order, PaymentKind, Verdict
from server.gateways.port import Gateway
from server.services.payments.evidence import EvidenceService
from server.services.runtime.figure_duty import FigureDuty
from server.services.runtime.look_again import look_again
from server.services.runtime.outage_log import OutageLog
from storage.postgres.money.payments import PaymentFigure, PaymentRow, PaymentStore

if TYPE_CHECKING:
    from server.clock import Clock
    from server.gateways.port import CardGateway

LOG = structlog.get_logger()
LOOK_S: Final = 0.5  # between two looks for payments that are due
FIGURES_S: Final = 5.0
LATE_MS: Final = 60_000  # a payment that is open for longer is told
IN_FLIGHT_MAX: Final = 64  # attempts of the loop, at each gateway


async def no_token(payment: PaymentRow) -> str:
    """The token of a payment without a card."""
    return ""


class PaymentService:
    """Makes attempts. What is not known is in the database; memory holds what is in flight."""

    def __init__(
        self,
        store: PaymentStore,
        gateways: Mapping[str, Gateway],
        evidence: EvidenceService,
        clock: Clock,
        is_current: Callable[[], bool],
        duty: FigureDuty,
        token_of: Callable[[PaymentRow], Awaitable[str]] = no_token,
    ) -> None:
        """`gateways` by name: payments of another one wait. `token_of`: the bank's name of the card of a payment.

        `is_current`: the server knows who may send now, as far as other servers have changed that. `duty`: whether
        this process counts what waits.
        """
        self._duty = duty
        self._is_current, self._token_of = is_current, token_of
        self.store, self.gateways, self.evidence = store, gateways, evidence
        self._clock = clock
        self._asked = {name: one for name, one in gateways.items() if one.capabilities.is_asked}
        self._attempts: dict[int, asyncio.Task[PaymentRow]] = {}
        self._wake = asyncio.Event()
        self._outage_log = OutageLog("payments_wait")
        self._figures_at_s = 0.0
        self._is_late = False
        self._without_gateway: dict[str, int] = {}
        self.figures: list[PaymentFigure] | None = []  # None: another worker reads them

    @property
    def in_flight(self) -> int:
        """Attempts that are being made."""
        return len(self._attempts)

    def look(self) -> None:
        """Payments have become due: do not wait for the next look."""
        self._wake.set()

    async def attempt(self, payment: PaymentRow) -> PaymentRow:
        """One attempt, which goes on if the caller is cancelled; the payment after it. Raises StoreUnavailable.

        A payment whose gateway is not configured, or cannot be asked, stays as it is.
        """
        gateway = self._asked.get(payment.gateway)
        if gateway is None:
            return payment
        task = self._attempts.get(payment.number)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._attempt(payment, gateway))
            task.add_done_callback(_retrieve)
            self._attempts[payment.number] = task
        return await asyncio.shield(task)

    async def cancel(self, payment: PaymentRow) -> PaymentRow:
        """Ask the other book never to do this number; the payment after its answer. Raises StoreUnavailable."""
        payment = await self.result(payment)
        gateway = self._asked.get(payment.gateway)
        if gateway is None or payment.state in ENDED:
            return payment
        closed = await gateway.cancel(order_of(payment))
        return await self.evidence.apply(payment, closed)

    async def result(self, payment: PaymentRow) -> PaymentRow:
        """The payment after the attempt that is being made, if there is one.

        An attempt may have ended since the payment was read: one that had not ended then is read again.
        """
        if payment.number in self._attempts:
            return await self.attempt(payment)
        if payment.state in ENDED:
            return payment
        return await self.store.get(payment.number) or payment

    async def _attempt(self, payment: PaymentRow, gateway: Gateway) -> PaymentRow:
        try:
            begun = await self.evidence.begin(payment)
            if begun is None:
                return payment
            order = order_of(begun, await self._token_of(begun))
            if begun.attempts > 1:  # an earlier call may have arrived
                found = await gateway.query(order)
                begun = await self.evidence.apply(begun, found)
                if found.verdict is not Verdict.NOT_FOUND or begun.state in ENDED:
                    return begun
            return await self.evidence.apply(begun, await _submit(gateway, order))
        finally:
            self._attempts.pop(payment.number, None)

    # --- the loop ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Ask again what is due. Never ends; to be supervised."""
        tasks: dict[str, set[asyncio.Task[PaymentRow]]] = {name: set() for name in self._asked}
        try:
            await look_again(partial(self._look, tasks), self._wake, self._outage_log)
        except asyncio.CancelledError:  # after a failure the loop runs again, and attempts go on meanwhile
            for task in set(self._attempts.values()).union(*tasks.values()):
                task.cancel()
            raise

    async def close(self) -> None:
        """Close the connections to all gateways, for good. Requests that still run make no calls then."""
        for gateway in self.gateways.values():
            await gateway.close()

    async def _look(self, tasks: Mapping[str, set[asyncio.Task[PaymentRow]]]) -> float:
        """Collect attempts that have ended, and begin others; seconds until the next look.

        `tasks`: the attempts of the loop by gateway. Raises what an attempt has raised.
        """
        for name, gateway in self._asked.items():
            await self._look_at(gateway, tasks[name])
        if not self._duty.is_held:
            self.figures, self._figures_at_s, self._is_late, self._without_gateway = None, 0.0, False, {}
        elif self._clock.elapsed_s() >= self._figures_at_s:
            self._figures_at_s = self._clock.elapsed_s() + FIGURES_S
            self.figures = await self.store.figures(self._not_asked())
            self._tell_late()
            self._tell_without_gateway(await self.store.without_gateway(list(self.gateways)))
        return LOOK_S

    async def _look_at(self, gateway: Gateway, tasks: set[asyncio.Task[PaymentRow]]) -> None:
        """The attempts at one gateway."""
        for task in [one for one in tasks if one.done()]:
            tasks.discard(task)
            task.result()
        room = (1 if gateway.is_away else IN_FLIGHT_MAX) - len(tasks)
        if room > 0 and self._is_current():
            due = await self.store.due(gateway.name, self._clock.now_ms(), list(self._attempts), room)
            tasks.update(asyncio.get_running_loop().create_task(self.attempt(one)) for one in due)

    def _not_asked(self) -> list[str]:
        """Gateways whose payments people conclude: that takes its time."""
        return [name for name in self.gateways if name not in self._asked]

    def _tell_without_gateway(self, waiting: dict[str, int]) -> None:
        """One line when payments wait for a gateway that is not configured, one when none does any more."""
        if waiting and waiting.keys() != self._without_gateway.keys():
            LOG.warning("payments_wait_for_gateway", payments=waiting, advice="is its section still in the config?")
        elif self._without_gateway and not waiting:
            LOG.info("payments_wait_for_gateway_no_longer")
        self._without_gateway = waiting

    def _tell_late(self) -> None:
        """One line when payments stay open for longer than a minute, one when no payment does any more."""
        before_ms = self._clock.now_ms() - LATE_MS
        late = [
            one
            for one in self.figures or ()
            if one.kind and one.oldest_ms is not None and one.oldest_ms < before_ms
        ]
        if late and not self._is_late:
            oldest_s = (self._clock.now_ms() - min(one.oldest_ms or 0 for one in late)) // 1000
            advice = "do the gateways respond? hongbao payments"
            LOG.warning("payments_unknown_for_long", oldest_s=oldest_s, advice=advice)
        elif self._is_late and not late:
            LOG.info("payments_unknown_for_long_no_longer")
        self._is_late = bool(late)


def order_of(payment: PaymentRow, token: str = "") -> Order:
    """What a gateway is asked about a payment."""
    about = payment.number, PaymentKind(payment.kind), payment.user_id, payment.amount_fen
    return Order(*about, token, payment.of_number or 0)


async def _submit(gateway: Gateway, order: Order) -> Evidence:
    if order.kind is PaymentKind.REFUND:  # only at gateways that take them
        return await cast("CardGateway", gateway).refund(order)
    return await (gateway.charge(order) if order.kind is PaymentKind.CHARGE else gateway.payout(order))


def _retrieve(task: asyncio.Task[PaymentRow]) -> None:
    """A failed attempt is no defect if its request has ended: the payment is asked again."""
    if not task.cancelled():
        task.exception()
