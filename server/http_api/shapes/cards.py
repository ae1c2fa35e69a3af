"""Requests and replies on cards and on payments by card."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from server.core.payments import PaymentKind, PaymentState
from server.http_api.numbers import Id
from server.http_api.shapes.base import Fen, IdText, Ms, Reply, Request
from server.http_api.shapes.money import Moved


class CardShown(Reply):
    """A card of a user. Of its number only the last four digits are known here; `holder` and `phone` are masked."""

    card_id: IdText
    bank: str
    last4: Annotated[str, Meta(pattern="^[0-9]{4}$")]
    holder: str
    phone: str
    bound_at_ms: Ms


class CardListReply(Reply):
    """The cards of a user, the oldest first."""

    user_id: IdText
    cards: list[CardShown]


class CardUnboundReply(Reply):
    """The user has the card no more."""

    user_id: IdText
    card_id: IdText


class WithdrawToCardBody(Request):
    """Money from the wallet to a card of the user. The chat backend answers for it: no pay password is asked."""

    card_id: Id
    amount_fen: Moved


class RefundToCardBody(Request):
    """So much of a charge goes from the wallet back to its card."""

    amount_fen: Moved


class PaymentReply(Reply):
    """A payment. `created`, `submitted` and `unknown`: it has not ended. `packet_id`: the packet that it paid.

    `reason`: why it failed, or why its packet was not sent. `of_payment_id`: the charge that a refund gives back.
    """

    payment_id: IdText
    user_id: IdText
    kind: PaymentKind
    state: PaymentState
    amount_fen: Fen
    key: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    packet_id: IdText | UnsetType = UNSET
    of_payment_id: IdText | UnsetType = UNSET
