"""Card refunds (原路退款): what a charge has taken from a card goes back to that card, as the chat backend orders.

The money leaves the wallet at once, is in transit until the bank proves that it has it, and comes back only if the
bank proves that it will not do it. The refunds of a charge are never more than the charge. Not: the refund of a
packet, which goes into the wallet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.core import ledger
from server.core.ledger import TransferKind, WalletBalance
from server.core.limits import check_bytes, check_number
from server.core.payments import PaymentKind, PaymentState
from server.core.refusals import Reason, RequestRefused
from server.services.payments.card_payments import PaymentSeen, check_gateway
from server.services.runtime.events import BalanceChange
from storage.postgres.cards.card_payments import OverCharge
from storage.postgres.money.payments import PaymentRow
from storage.postgres.money.wallets import NotEnoughMoney, TransferRow

if TYPE_CHECKING:
    from server.core.limits import Limits
    from server.gateways.port import Gateway
    from server.services.payments.new_payments import NewPayments
    from server.services.payments.service import PaymentService
    from server.services.runtime.bus import Bus
    from storage.postgres.cards.card_payments import CardPaymentStore


class CardRefundService:
    """The use case. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        store: CardPaymentStore,
        payments: PaymentService,
        new_payments: NewPayments,
        limits: Limits,
        bus: Bus,
        smallest: str,
    ) -> None:
        """`smallest`: what an amount counts, as people say it (fen)."""
        self._store, self._payments, self._new = store, payments, new_payments
        self._limits, self._bus, self._smallest = limits, bus, smallest

    async def refund(self, charge_number: int, key: str, amount_fen: int) -> tuple[int, PaymentSeen]:
        """Give an amount of a charge back to its card, once per key of its user; the user, and the payment."""
        check_bytes("key", key, 1, self._limits.key_bytes_max, Reason.BAD_KEY)
        check_number("amount_fen", amount_fen, 1, ledger.MOVE_FEN_MAX, Reason.BAD_AMOUNT, self._smallest)
        charge = await self._payments.store.get(charge_number)
        if charge is None or charge.kind != PaymentKind.CHARGE or charge.card_id is None:
            raise RequestRefused(Reason.BAD_TARGET, "payment_id: there is no such charge of a card")
        payment = await self._store.card_refund(charge.user_id, key)
        if payment is None:
            payment = await self._order(charge, key, amount_fen)
        payment = await self._payments.result(payment)
        if (payment.of_number, payment.amount_fen) != (charge_number, amount_fen):
            raise RequestRefused(Reason.KEY_REUSED, "the key was used for another refund to a card")
        if payment.state == PaymentState.FAILED:
            raise RequestRefused(Reason.BANK_DECLINED, payment.reason)
        return charge.user_id, PaymentSeen(payment.number, PaymentState(payment.state), payment.amount_fen)

    async def _order(self, charge: PaymentRow, key: str, amount_fen: int) -> PaymentRow:
        if charge.state != PaymentState.SUCCEEDED:
            raise RequestRefused(Reason.BAD_TARGET, "payment_id: the charge has not succeeded")
        gateway = self._gateway_of(charge)
        check_gateway(gateway, self._payments, amount_fen, self._smallest)
        about = PaymentKind.REFUND, charge.user_id, amount_fen, key, None, charge.card_id
        row = (await self._new.row(gateway, *about))._replace(of_number=charge.number)
        move = row.user_id, ledger.IN_TRANSIT, TransferKind.CARD_REFUND, str(row.number), amount_fen
        try:
            payment, balance = await self._store.refund(row, TransferRow(*move, row.created_at_ms))
        except NotEnoughMoney:
            raise RequestRefused(Reason.NOT_ENOUGH_MONEY) from None
        except OverCharge as over:
            detail = f"{over.left_fen} {self._smallest} of the charge are not given back yet"
            raise RequestRefused(Reason.LIMIT, detail) from None
        if balance is None:
            return payment
        kind = TransferKind.CARD_REFUND.name.lower()
        self._bus.publish(BalanceChange(row.user_id, WalletBalance(*balance), -amount_fen, kind), (row.user_id,))
        return await self._payments.attempt(payment)

    def _gateway_of(self, charge: PaymentRow) -> Gateway:
        gateway = self._payments.gateways.get(charge.gateway)
        if gateway is None:
            raise RequestRefused(Reason.BANK_AWAY)
        if not gateway.capabilities.takes_refunds:
            raise RequestRefused(Reason.BAD_TARGET, "payment_id: its gateway gives nothing back to cards")
        return gateway
