"""The services of reconciliation: statements come in, breaks are looked after, corrections move money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from server.services.reconciliation.breaks import BreakService
from server.services.reconciliation.corrections import CorrectionService
from server.services.reconciliation.service import ReconciliationService
from server.services.reconciliation.sources import sources_of

if TYPE_CHECKING:
    from server.clock import Clock
    from server.config import Config
    from server.gateways.port import CardGateway
    from server.services.payments.assembly import PaymentServices
    from server.services.payments.service import PaymentService
    from server.services.runtime.bus import Bus
    from server.services.runtime.figure_duty import FigureDuty
    from storage.stores import Stores


class ReconciliationServices:
    """Breaks and corrections are there without a bank, too: evidence can contradict the end of a payment."""

    def __init__(
        self,
        config: Config,
        stores: Stores,
        payments: PaymentServices,
        clock: Clock,
        bus: Bus,
        smallest: str,
        duty: FigureDuty,
    ) -> None:
        """`smallest`: what an amount counts. `duty`: whether figures are read here."""
        attempts = payments.attempts
        self.statements = ReconciliationService(
            stores.bank_statements,
            stores.matching,
            stores.breaks,
            stores.payments,
            None if attempts is None else attempts.evidence,
            sources_of(config),
            clock,
            _with_statements(attempts),
            is_on_duty=lambda: duty.is_held,
        )
        self.breaks = BreakService(stores.breaks, clock.now_ms, smallest)
        self.corrections = CorrectionService(stores.corrections, clock, bus)


def _with_statements(attempts: PaymentService | None) -> Mapping[str, CardGateway]:
    gateways = {} if attempts is None else attempts.gateways
    return {name: cast("CardGateway", one) for name, one in gateways.items() if one.capabilities.has_statements}
