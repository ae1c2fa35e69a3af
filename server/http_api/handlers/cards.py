"""Requests on cards of users, and on payments. Users bind their cards themselves: no chat backend sees a number."""

from __future__ import annotations

from msgspec import UNSET

from protocol.codes import Refusal
from server.core.payments import PaymentKind, PaymentState
from server.core.refusals import Reason, RequestRefused
from server.http_api.handlers.call import Call, with_balance
from server.http_api.problems import Problem
from server.http_api.shapes import cards as shapes
from server.services.assembly import Services
from server.services.payments.lookups import PaymentFacts


class CardRequests:
    """Cards, withdrawals and refunds to them, payments."""

    def __init__(self, services: Services) -> None:
        self._cards, self._by_card = services.cards.service, services.payments.by_card
        self._card_refunds = services.payments.card_refunds
        self._lookups, self._reads, self._wallets = services.payments.lookups, services.reads, services.wallets

    async def all(self, call: Call) -> shapes.CardListReply:
        """The cards of a user, without what is secret of them"""
        user_id = call.path["user_id"]
        async with self._reads.turn():
            bound = await self._cards.bound(user_id)
        return shapes.CardListReply(str(user_id), [shapes.CardShown(str(one.card_id), *one[1:]) for one in bound])

    async def unbind(self, call: Call) -> shapes.CardUnboundReply:
        """Unbind a card of a user; without cards the user has no pay password either"""
        user_id, card_id = call.path["user_id"], call.path["card_id"]
        await self._cards.unbind(user_id, card_id, None)
        return shapes.CardUnboundReply(str(user_id), str(card_id))

    async def withdraw(self, call: Call) -> shapes.PaymentReply:
        """Move money from a wallet to a card of the user, once per key of the user"""
        user_id, body = call.path["user_id"], call.body
        if self._by_card is None:
            raise RequestRefused(Reason.BAD_CARD, "card_id: this server takes no cards")
        try:
            made = await self._by_card.withdraw(user_id, call.key, body.card_id, body.amount_fen, None)
        except RequestRefused as refused:
            raise await with_balance(refused, self._wallets, user_id, body.amount_fen) from None
        return shapes.PaymentReply(
            str(made.number), str(user_id), PaymentKind.PAYOUT, made.state, made.amount_fen, call.key
        )

    async def payment(self, call: Call) -> shapes.PaymentReply:
        """A payment, and how far it is"""
        async with self._reads.turn():
            found = await self._lookups.payment(call.path["payment_id"])
        if found is None:
            raise Problem(Refusal.NOT_ALLOWED, "there is no such payment", status=404)
        return _shown(found[0])

    async def refund(self, call: Call) -> shapes.PaymentReply:
        """Give a charge, or a part of it, from the wallet back to its card, once per key of its user"""
        number, fen = call.path["payment_id"], call.body.amount_fen
        if self._card_refunds is None:
            raise RequestRefused(Reason.BAD_TARGET, "payment_id: this server takes no cards")
        user_id, made = await self._card_refunds.refund(number, call.key, fen)
        moved = str(made.number), str(user_id), PaymentKind.REFUND, made.state, made.amount_fen, call.key
        return shapes.PaymentReply(*moved, of_payment_id=str(number))


def _shown(payment: PaymentFacts) -> shapes.PaymentReply:
    return shapes.PaymentReply(
        payment_id=str(payment.number),
        user_id=str(payment.user_id),
        kind=PaymentKind(payment.kind),
        state=PaymentState(payment.state),
        amount_fen=payment.amount_fen,
        key=payment.key or UNSET,
        reason=payment.reason or UNSET,
        packet_id=str(payment.packet_id) if payment.packet_id else UNSET,
        of_payment_id=str(payment.of_number) if payment.of_number else UNSET,
    )
