"""Payments that users ask for: packets paid by card, top-ups and withdrawals. Each is done once per user and key.

The password is bound to what it pays: it comes with the amount, the target and the key, and allows one payment. A
request that is repeated finds its payment by the key, and needs no password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from server.core import ledger
from server.core.ledger import TransferKind, WalletBalance
from server.core.limits import check_bytes, check_number
from server.core.packet_request import PacketRequest
from server.core.payments import PaymentKind, PaymentState
from server.core.refusals import Reason, RequestRefused
from server.gateways.port import Gateway
from server.services.payments.evidence import content_of
from server.services.runtime.events import BalanceChange
from storage.postgres.cards.payers import OverDayLimit
from storage.postgres.money.payments import PaymentRow
from storage.postgres.money.wallets import NotEnoughMoney, TransferRow

if TYPE_CHECKING:
    from server.clock import Clock
    from server.core.limits import Limits
    from server.services.cards.authorisation import Authorisation
    from server.services.cards.service import CardService
    from server.services.payments.day_limits import DayLimits
    from server.services.payments.new_payments import NewPayments
    from server.services.payments.service import PaymentService
    from server.services.risk.gate import MoneyGate
    from server.services.runtime.bus import Bus
    from storage.postgres.cards.card_payments import CardPaymentStore

IN_FLIGHT_MAX: Final = 256  # payments; each holds a request
HOST: Final = "host"  # its payments are ordered by the server alone


class PaymentSeen(NamedTuple):
    """A payment as its user may see it."""

    number: int
    state: PaymentState
    amount_fen: int


class CardPaymentService:
    """Use cases on payments by card. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        store: CardPaymentStore,
        payments: PaymentService,
        new_payments: NewPayments,
        cards: CardService,
        authorisation: Authorisation,
        day_limits: DayLimits,
        limits: Limits,
        clock: Clock,
        bus: Bus,
        smallest: str,
        gate: MoneyGate,
    ) -> None:
        """`smallest`: what an amount counts, as people say it (fen). `gate`: what risk control lets pass."""
        self._gate = gate
        self._store, self._payments, self._new = store, payments, new_payments
        self._cards, self._authorisation, self._day_limits = cards, authorisation, day_limits
        self._limits, self._clock, self._bus, self._smallest = limits, clock, bus, smallest

    # --- in ---------------------------------------------------------------------------------------------------

    async def pay_packet(self, one: PacketRequest, card_id: int, password: str | None) -> PaymentRow:
        """Record the charge that pays a packet, whose sender may send it, and make a first attempt at it."""
        return await self._charge(one.sender_id, one.key, card_id, one.total_fen, password, content_of(one))

    async def top_up(
        self, user_id: int, key: str, card_id: int, amount_fen: int, password: str | None
    ) -> PaymentSeen:
        """Money from a card into the wallet. `card_id` 0: by the gateway that needs no card."""
        self._check(key, amount_fen)
        payment = await self._payments.store.of_send(user_id, key)
        if payment is None:
            payment = await self._charge(user_id, key, card_id, amount_fen, password, None)
        payment = await self._payments.result(payment)
        if payment.content is not None or _asked_for(payment) != (card_id, amount_fen):
            raise RequestRefused(Reason.KEY_REUSED, "the key was used for another payment")
        return self._seen(payment, says_unknown=self._is_asked(payment))

    async def _charge(
        self, user_id: int, key: str, card_id: int, amount_fen: int, password: str | None, content: str | None
    ) -> PaymentRow:
        gateway = await self._gateway_of(user_id, card_id)
        check_gateway(gateway, self._payments, amount_fen, self._smallest)
        if card_id:
            await self._authorisation.prove(user_id, password)
        row = await self._new.row(gateway, PaymentKind.CHARGE, user_id, amount_fen, key, content, card_id or None)
        try:
            payment, is_new = await self._store.charge(row, self._day_limits.of(row.created_at_ms))
        except OverDayLimit as over:
            raise self._day_limits.refusal(over) from None
        return await self._payments.attempt(payment) if is_new else payment

    # --- out --------------------------------------------------------------------------------------------------

    async def withdraw(
        self, user_id: int, key: str, card_id: int, amount_fen: int, password: str | None
    ) -> PaymentSeen:
        """Money from the wallet to a card: it leaves at once, and is in transit until the bank proves it."""
        self._check(key, amount_fen)
        payment = await self._store.withdrawal(user_id, key)
        if payment is None:
            payment = await self._withdraw(user_id, key, card_id, amount_fen, password)
        payment = await self._payments.result(payment)
        if _asked_for(payment) != (card_id, amount_fen):
            raise RequestRefused(Reason.KEY_REUSED, "the key was used for another withdrawal")
        return self._seen(payment, says_unknown=False)

    async def _withdraw(
        self, user_id: int, key: str, card_id: int, amount_fen: int, password: str | None
    ) -> PaymentRow:
        await self._gate.check_withdrawal(user_id)
        gateway = await self._gateway_of(user_id, card_id)
        if not gateway.capabilities.takes_payouts:
            raise RequestRefused(Reason.BAD_CARD, "card_id: no money can be withdrawn there")
        check_gateway(gateway, self._payments, amount_fen, self._smallest)
        if card_id:
            await self._authorisation.prove(user_id, password)
        else:
            await self._authorisation.check(user_id, password)
        row = await self._new.row(gateway, PaymentKind.PAYOUT, user_id, amount_fen, key, None, card_id or None)
        move = user_id, ledger.IN_TRANSIT, TransferKind.PAYOUT, str(row.number), amount_fen, row.created_at_ms
        try:
            payment, balance = await self._store.withdraw(
                row, TransferRow(*move), self._day_limits.of(row.created_at_ms)
            )
        except NotEnoughMoney:
            raise RequestRefused(Reason.NOT_ENOUGH_MONEY) from None
        except OverDayLimit as over:
            raise self._day_limits.refusal(over) from None
        if balance is None:
            return payment
        event = BalanceChange(user_id, WalletBalance(*balance), -amount_fen, "payout")
        self._bus.publish(event, (user_id,))
        return await self._payments.attempt(payment)

    # --- rules ------------------------------------------------------------------------------------------------

    def _check(self, key: str, amount_fen: int) -> None:
        check_bytes("key", key, 1, self._limits.key_bytes_max, Reason.BAD_KEY)
        check_number("amount_fen", amount_fen, 1, ledger.MOVE_FEN_MAX, Reason.BAD_AMOUNT, self._smallest)

    async def _gateway_of(self, user_id: int, card_id: int) -> Gateway:
        """Where a card belongs; without one the gateway that needs none."""
        gateways = self._payments.gateways
        if card_id:
            found = gateways.get((await self._cards.usable(user_id, card_id)).gateway)
            if found is None:
                raise RequestRefused(Reason.BANK_AWAY)
            return found
        for name, gateway in gateways.items():
            if name != HOST and not gateway.capabilities.takes_cards:
                return gateway
        raise RequestRefused(Reason.BAD_CARD, "card_id: a card is needed")

    def _is_asked(self, payment: PaymentRow) -> bool:
        gateway = self._payments.gateways.get(payment.gateway)
        return gateway is None or gateway.capabilities.is_asked

    def _seen(self, payment: PaymentRow, *, says_unknown: bool) -> PaymentSeen:
        state = PaymentState(payment.state)
        if state is PaymentState.FAILED:
            raise RequestRefused(Reason.BANK_DECLINED, payment.reason)
        if says_unknown and state is not PaymentState.SUCCEEDED:
            raise self._new.unknown(payment)
        return PaymentSeen(payment.number, state, payment.amount_fen)


def check_gateway(gateway: Gateway, payments: PaymentService, amount_fen: int, smallest: str) -> None:
    """Refuse a new payment of an amount that its gateway does not take, or that would not be made now."""
    can = gateway.capabilities
    if not can.amount_fen_min <= amount_fen <= can.amount_fen_max:
        bounds = f"{can.amount_fen_min} to {can.amount_fen_max} {smallest}"
        raise RequestRefused(Reason.LIMIT, f"one payment may be {bounds}")
    if gateway.is_away:
        raise RequestRefused(Reason.BANK_AWAY)
    if payments.in_flight >= IN_FLIGHT_MAX:
        raise RequestRefused(Reason.OVERLOADED)


def _asked_for(payment: PaymentRow) -> tuple[int, int]:
    return payment.card_id or 0, payment.amount_fen
