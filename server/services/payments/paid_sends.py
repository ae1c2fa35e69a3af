"""Send with money from elsewhere: by a card that the sender names, or by the gateway behind the wallet.

A packet has one payer: the wallet, or a charge of the whole amount.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.core.packet_request import WALLET, PacketRequest, Payer, Terms
from server.core.payments import PaymentKind, PaymentState
from server.core.refusals import Reason, RequestRefused
from server.services.packets.send import SendService
from server.services.payments.card_payments import IN_FLIGHT_MAX
from server.services.payments.evidence import content_of, request_in
from storage.postgres.money.payments import PaymentRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.core.limits import Limits
    from server.gateways.port import Gateway
    from server.services.cards.authorisation import Authorisation
    from server.services.payments.card_payments import CardPaymentService
    from server.services.payments.new_payments import NewPayments
    from server.services.payments.service import PaymentService


class PaidSendService:
    """The use case send, with gateways and passwords before it. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        sends: SendService,
        payments: PaymentService,
        new_payments: NewPayments,
        host: Gateway | None,
        card_payments: CardPaymentService,
        authorisation: Authorisation,
        limits: Limits,
    ) -> None:
        """`host`: what a wallet cannot pay is charged there."""
        self._sends, self._payments, self._new = sends, payments, new_payments
        self._host, self._card_payments, self._authorisation = host, card_payments, authorisation
        self._limits = limits

    async def send(self, one: PacketRequest, payer: Payer = WALLET) -> Terms:
        """As SendService.send. A card of the payer pays the whole packet, once per key.

        What the wallet cannot pay is charged at the host wallet, if there is one.
        """
        if not 1 <= len(one.key.encode()) <= self._limits.key_bytes_max or "\0" in one.key:
            return await self._sends.send(one)  # which refuses it
        payment = await self._payments.store.of_send(one.sender_id, one.key)
        if payment is None:
            paid = await (self._by_card(one, payer) if payer.card_id else self._by_wallet(one, payer.password))
            if isinstance(paid, Terms):
                return paid
            payment = paid
        return await self._answer(await self._payments.result(payment), one, payer.card_id)

    async def words_before(self, sender_id: int, key: str) -> str:
        """As SendService.words_before, also of a send that waits for its charge."""
        payment = None if "\0" in key else await self._payments.store.of_send(sender_id, key)
        if payment is None or payment.content is None:
            return await self._sends.words_before(sender_id, key)
        return request_in(payment.content).words

    def begin(self, one: PacketRequest, on_result: Callable[[Terms | Exception], None]) -> bool:
        """Never: whether a payment has the key must be read first."""
        return False

    async def _by_wallet(self, one: PacketRequest, password: str | None) -> Terms | PaymentRow:
        """The packet; or, if the wallet holds too little, a charge at the host wallet."""
        try:
            ready = await self._sends.ready(one)
            if isinstance(ready, Terms):
                return ready
            if await self._authorisation.is_needed(one.sender_id, password):
                if (earlier := await self._sends.sent_before(ready)) is not None:
                    return earlier  # the password has allowed it then
                await self._authorisation.prove(one.sender_id, password)
            return await self._sends.send_ready(ready)
        except RequestRefused as refused:
            if self._host is None or refused.reason is not Reason.NOT_ENOUGH_MONEY:
                raise
            return await self._charge(self._host, one)

    async def _by_card(self, one: PacketRequest, payer: Payer) -> Terms | PaymentRow:
        """A charge of the card, if the sender may send the packet, and the key has not sent one already."""
        ready = await self._sends.ready(one)
        if isinstance(ready, Terms):
            return ready
        if (earlier := await self._sends.sent_before(ready)) is not None:
            return earlier
        return await self._card_payments.pay_packet(one, payer.card_id, payer.password)

    async def _charge(self, host: Gateway, one: PacketRequest) -> PaymentRow:
        """Record a charge, then make a first attempt at it."""
        if host.is_away:
            raise RequestRefused(Reason.BANK_AWAY)
        if self._payments.in_flight >= IN_FLIGHT_MAX:
            raise RequestRefused(Reason.OVERLOADED)
        row = await self._new.row(host, PaymentKind.CHARGE, one.sender_id, one.total_fen, one.key, content_of(one))
        payment, is_new = await self._payments.store.create_charge(row)
        return await self._payments.attempt(payment) if is_new else payment

    async def _answer(self, payment: PaymentRow, one: PacketRequest, card_id: int) -> Terms:
        """What has become of a send that is paid by a charge."""
        if payment.content is None or _content(request_in(payment.content)) != _content(one):
            raise RequestRefused(Reason.KEY_REUSED, "the key was used for a packet with other content")
        if (payment.card_id or 0) != card_id:
            raise RequestRefused(Reason.KEY_REUSED, "the packet of this key is paid otherwise")
        if payment.state == PaymentState.FAILED:
            raise RequestRefused(Reason.BANK_DECLINED, payment.reason)
        if payment.state != PaymentState.SUCCEEDED:
            raise self._new.unknown(payment)
        if payment.packet_id is None:
            raise RequestRefused(Reason(payment.reason), "the money that was charged is in the wallet")
        return await self._sends.send(one)  # which finds the packet by its key


def _content(one: PacketRequest) -> tuple[object, ...]:
    """What must be the same when a key is used again: all but the seed of the client, of which the first counts."""
    return one._replace(client_seed=b"")
