"""Requests on cards and pay passwords, and on payments that users ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from protocol import messages
from protocol.messages import Message
from server.core.cards.attempts import check_password
from server.core.refusals import Reason, RequestRefused
from server.net.session import Session
from server.services.assembly import Services
from server.services.cards.service import BoundCard
from server.services.payments.card_payments import CardPaymentService


class CardHandlers:
    """A secret must come over TLS or from this machine: otherwise others have read it."""

    def __init__(self, services: Services) -> None:
        self._cards, self._passwords = services.cards.service, services.cards.passwords
        self._authorisation = services.cards.authorisation
        self._by_card, self._orders = services.payments.by_card, services.orders
        self._attempts = services.payments.attempts

    def served(self) -> dict[type[Message], Callable[[Session, Any], Awaitable[Message]]]:
        """What serves each request of users."""
        return {
            messages.BindCard: self.bind,
            messages.ConfirmCard: self.confirm,
            messages.SendCodeAgain: self.send_code_again,
            messages.UnbindCard: self.unbind,
            messages.SetPassword: self.set_password,
            messages.AskPasswordReset: self.ask_reset,
            messages.ResetPassword: self.reset_password,
            messages.TopUpByCard: self.top_up,
            messages.WithdrawToCard: self.withdraw,
            messages.Transfer: self.transfer,
        }

    # --- cards ------------------------------------------------------------------------------------------------

    async def bind(self, session: Session, request: messages.BindCard) -> Message:
        check_private(session)
        offered = await self._cards.bind(session.user_id, request.number, request.holder, request.phone)
        code = offered.code
        return messages.CardOffered(
            0,
            code.challenge_id,
            offered.bank,
            offered.last4,
            code.phone,
            code.expires_at_ms,
            offered.needs_new_password,
        )

    async def confirm(self, session: Session, request: messages.ConfirmCard) -> Message:
        check_private(session)
        check_password_of(session, request.password)
        secrets = request.code, request.password
        return messages.CardBound(
            0, _line(await self._cards.confirm(session.user_id, request.challenge_id, *secrets))
        )

    async def send_code_again(self, session: Session, request: messages.SendCodeAgain) -> Message:
        sent = await self._cards.send_again(session.user_id, request.challenge_id)
        return messages.CodeSentAgain(0, sent.phone, sent.expires_at_ms)

    async def cards(self, session: Session, request: messages.GetCards) -> Message:
        bound = await self._cards.bound(session.user_id)
        has_password = await self._passwords.is_set(session.user_id)
        needs_password = await self._authorisation.is_needed(session.user_id, "")
        lines = [_line(one) for one in bound]
        return messages.Cards(0, lines, has_password, self._takes_cards(), needs_password)

    def _takes_cards(self) -> bool:
        gateways = self._attempts.gateways if self._attempts is not None else {}
        return any(one.capabilities.takes_cards for one in gateways.values())

    async def unbind(self, session: Session, request: messages.UnbindCard) -> Message:
        check_password_of(session, request.password)
        await self._cards.unbind(session.user_id, request.card_id, request.password)
        return messages.CardUnbound(0, request.card_id)

    # --- the pay password -------------------------------------------------------------------------------------

    async def set_password(self, session: Session, request: messages.SetPassword) -> Message:
        check_password_of(session, request.password)
        check_private(session)
        if not request.password and self._authorisation.rule == "always":  # also users without a card have one
            await self._passwords.set_first(session.user_id, request.new_password)
        else:
            await self._passwords.change(session.user_id, request.password, request.new_password)
        return messages.PasswordSet(0)

    async def ask_reset(self, session: Session, request: messages.AskPasswordReset) -> Message:
        return messages.ResetCodeSent(0, *await self._cards.ask_reset(session.user_id, request.card_id))

    async def reset_password(self, session: Session, request: messages.ResetPassword) -> Message:
        check_private(session)
        secrets = request.code, request.new_password
        await self._cards.reset_password(session.user_id, request.challenge_id, *secrets)
        return messages.PasswordReset(0)

    # --- payments ---------------------------------------------------------------------------------------------

    async def top_up(self, session: Session, request: messages.TopUpByCard) -> Message:
        check_password_of(session, request.password)
        asked = request.key, request.card_id, request.amount_fen, request.password
        return messages.ToppedUpByCard(0, *await self._payments().top_up(session.user_id, *asked))

    async def withdraw(self, session: Session, request: messages.WithdrawToCard) -> Message:
        check_password_of(session, request.password)
        asked = request.key, request.card_id, request.amount_fen, request.password
        return messages.WithdrawnToCard(0, *await self._payments().withdraw(session.user_id, *asked))

    async def transfer(self, session: Session, request: messages.Transfer) -> Message:
        check_password_of(session, request.password)
        asked = request.user_id, request.amount_fen, request.key, request.text, request.password
        return messages.Transferred(0, *await self._orders.transfer(session.user_id, *asked))

    def _payments(self) -> CardPaymentService:
        if self._by_card is None:
            raise RequestRefused(Reason.BAD_CARD, "card_id: this server takes no cards")
        return self._by_card


def check_private(session: Session) -> None:
    """Refuse a request with a secret on a connection that others can read."""
    if not session.is_private:
        raise RequestRefused(Reason.NEEDS_TLS)


def check_password_of(session: Session, password: str) -> None:
    """The same of a request that may have a pay password; one that cannot be one is refused, needed or not."""
    if password:
        check_private(session)
        check_password(password)


def _line(card: BoundCard) -> messages.CardLine:
    return messages.CardLine(*card)
