"""What operators do about a payment: conclude one that people make by hand, or have a number closed at its bank."""

from __future__ import annotations

from server.core.payments import ENDED, Evidence, Verdict
from server.services.payments.service import PaymentService
from storage.postgres.money.payments import PaymentRow


class NotConcluded(Exception):
    """An operator may not do this about this payment; the message says why."""


class ConclusionService:
    """All methods raise NotConcluded, StoreUnavailable; they return the state of the payment after it."""

    def __init__(self, payments: PaymentService) -> None:
        self._payments = payments

    async def confirm(self, number: int, operator: str) -> str:
        """The transfer of this payment was made; `operator`: the system user."""
        return await self._conclude(number, operator, Verdict.SUCCEEDED, "")

    async def decline(self, number: int, operator: str, reason: str) -> str:
        """The transfer was not made and never will be. `reason` is shown to the user."""
        return await self._conclude(number, operator, Verdict.FAILED, reason)

    async def close(self, number: int) -> str:
        """Have its gateway never do this number; if it is done already, the payment learns that."""
        payment = await self._open(number)
        if self._is_manual(payment):
            raise NotConcluded(f"payment {number} is made by hand: --confirm or --decline it")
        return (await self._payments.cancel(payment)).state

    async def _conclude(self, number: int, operator: str, verdict: Verdict, detail: str) -> str:
        payment = await self._open(number)
        if not self._is_manual(payment):
            raise NotConcluded(
                f"payment {number} is at the gateway {payment.gateway}: only that says what has become of it"
            )
        evidence = Evidence(f"operator {operator}", verdict, detail)
        return (await self._payments.evidence.apply(payment, evidence)).state

    async def _open(self, number: int) -> PaymentRow:
        payment = await self._payments.store.get(number)
        if payment is None:
            raise NotConcluded(f"there is no payment {number}")
        if payment.state in ENDED:
            raise NotConcluded(f"payment {number} has ended: {payment.state}")
        if payment.gateway not in self._payments.gateways:
            raise NotConcluded(f"the gateway {payment.gateway} of payment {number} is not in the config")
        return payment

    def _is_manual(self, payment: PaymentRow) -> bool:
        return not self._payments.gateways[payment.gateway].capabilities.is_asked
