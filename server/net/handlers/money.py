"""Requests on wallets."""

from __future__ import annotations

from protocol import messages
from protocol.messages import Message
from server.core.refusals import Reason, RequestRefused
from server.net.hub import Hub
from server.net.page_encoding import statement_of
from server.net.session import Session
from server.services.assembly import Services


class MoneyHandlers:
    """Balance; top up, withdraw, pay and refund to a card for the chat backend."""

    def __init__(self, services: Services, hub: Hub) -> None:
        self._wallets, self._statements = services.wallets, services.statements
        self._orders, self._card_refunds = services.orders, services.payments.card_refunds
        self._hub = hub

    async def balance(self, session: Session, request: messages.GetBalance) -> Message:
        holding = await self._wallets.holding(session.user_id)
        if self._hub.newest(session.user_id, holding.balance) != holding.balance:  # it changed while it was read
            holding = await self._wallets.holding(session.user_id)
        balance = self._hub.newest(session.user_id, holding.balance)
        return messages.Balance(0, balance.fen, holding.arriving_fen)

    async def entries(self, session: Session, request: messages.GetEntries) -> Message:
        page = await self._wallets.entries(session.user_id, request.after_version)
        lines = [
            messages.EntryLine(one.version, one.at_ms, one.reason, one.change_fen, one.balance_fen, one.packet_id)
            for one in page.lines
        ]
        return messages.Entries(0, lines, page.more)

    async def statement(self, session: Session, request: messages.GetStatement) -> Message:
        return statement_of(await self._statements.page(session.user_id, request.before_version))

    async def top_up(self, session: Session, request: messages.TopUp) -> Message:
        balance = await self._wallets.top_up(
            request.user_id, request.amount_fen, request.key, known_only=request.known_only
        )
        return messages.ToppedUp(0, request.user_id, balance)

    async def pay(self, session: Session, request: messages.Pay) -> Message:
        asked = request.amount_fen, request.key, request.text
        return messages.Paid(0, request.user_id, *(await self._orders.pay(request.user_id, *asked))[1:])

    async def refund_to_card(self, session: Session, request: messages.RefundToCard) -> Message:
        if self._card_refunds is None:
            raise RequestRefused(Reason.BAD_TARGET, "payment_id: this server takes no cards")
        _, made = await self._card_refunds.refund(request.payment_id, request.key, request.amount_fen)
        return messages.RefundedToCard(0, *made)

    async def withdraw(self, session: Session, request: messages.Withdraw) -> Message:
        balance = await self._wallets.withdraw(request.user_id, request.amount_fen, request.key)
        return messages.Withdrawn(0, request.user_id, balance)
