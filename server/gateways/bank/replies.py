"""Bodies of the calls to a bank and of its replies, and what a signed reply or notice proves. Pure."""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

from protocol.undecodable import UNDECODABLE
from server.core.payments import Evidence, Order, Verdict
from server.core.reconciliation.statement_file import can_be_account
from server.gateways.port import CardOffer, Unproven

BANK_DETAIL_MAX: Final = 200
KEPT_MAX: Final = 500  # characters of a binding or a token
LAST4: Final = re.compile(r"[0-9]{4}")
BANK_RESULTS: Final = {
    "succeeded": Verdict.SUCCEEDED,
    "failed": Verdict.FAILED,
    "closed": Verdict.FAILED,
    "not_found": Verdict.NOT_FOUND,
    "processing": Verdict.UNKNOWN,
}
ONLY_TO: Final = {"not_found": "query", "closed": "close"}  # the source of evidence that may have this result
WITHOUT_ORDER: Final = ("not_found", "closed")  # of a number that has not arrived, so the bank knows no more of it


class OrderCall(msgspec.Struct, frozen=True):
    """The body of /pay and /payout."""

    merchant: str
    number: str
    token: str
    amount_fen: int


class RefundCall(msgspec.Struct, frozen=True):
    """The body of /refund. `of`: the number of the charge."""

    merchant: str
    number: str
    of: str
    amount_fen: int


class NumberCall(msgspec.Struct, frozen=True):
    """The body of /query and /close."""

    merchant: str
    number: str
    kind: str


class OrderReply(msgspec.Struct, frozen=True):
    """The body of a reply about an order, and of a notice: the order, and what has become of it."""

    merchant: str
    number: str
    kind: str
    amount_fen: int
    result: str
    reason: str = ""
    bank_ref: str = ""


class CardCall(msgspec.Struct, frozen=True):
    """The body of /cards. It holds what is personal: it is sent, and nothing else is done with it."""

    merchant: str
    request_id: str
    number: str
    holder: str
    phone: str


class BindingCall(msgspec.Struct, frozen=True):
    """The body of /cards/confirm."""

    merchant: str
    binding: str


class TokenCall(msgspec.Struct, frozen=True):
    """The body of /cards/unbind."""

    merchant: str
    token: str


class SmsCall(msgspec.Struct, frozen=True):
    """The body of /sms."""

    merchant: str
    request_id: str
    to: str
    text: str


class BillCall(msgspec.Struct, frozen=True):
    """The body of /bill."""

    merchant: str
    day: str


class CardReply(msgspec.Struct, frozen=True):
    """The body of a reply to the four calls about cards."""

    result: str
    binding: str = ""
    bank: str = ""
    last4: str = ""
    card_ref: str = ""
    token: str = ""
    reason: str = ""


class BillReply(msgspec.Struct, frozen=True):
    """The body of a reply to /bill."""

    result: str
    merchant: str = ""
    day: str = ""
    issue: int = 0
    rows: int = 0
    sha256: str = ""
    csv: str = ""
    serial: str = ""
    signature: str = ""
    reason: str = ""


ReplyType = TypeVar("ReplyType")


def offer_of(reply: CardReply, number: str) -> CardOffer:
    """A card as the bank offers it. Raises Unproven if it cannot be kept so, or if it names the number."""
    offer = CardOffer(reply.binding, shown(reply.bank), reply.last4[-4:], reply.card_ref)
    if any(number in part for part in offer):
        raise Unproven("the bank's offer names the number of the card")
    if not (is_kept(offer.binding) and LAST4.fullmatch(offer.last4) and can_be_account(offer.card_ref)):
        raise Unproven("the bank's offer has no binding, last4 or card_ref that can be kept")
    return offer


def is_kept(text: str) -> bool:
    """Whether a binding or a token of the bank is one."""
    return 0 < len(text) <= KEPT_MAX and text.isprintable()


def decoded(body: bytes, reply: type[ReplyType]) -> ReplyType:
    """A signed body as this type. Raises Unproven: what cannot be read proves nothing."""
    try:
        return msgspec.json.decode(body, type=reply)
    except UNDECODABLE:
        raise Unproven("the body is not the JSON that was expected") from None


def payment_evidence(source: str, merchant: str, order: Order, body: bytes) -> Evidence:
    """What a signed reply or notice says about an order. Only a definite result of this very order ends it."""
    try:
        reply = decoded(body, OrderReply)
    except Unproven as error:
        return Evidence(source, Verdict.UNKNOWN, str(error))
    verdict = BANK_RESULTS.get(reply.result)
    if verdict is None:
        return Evidence(source, Verdict.UNKNOWN, f"unknown result {shown(reply.result)!r}")
    if ONLY_TO.get(reply.result, source) != source:
        return Evidence(source, Verdict.UNKNOWN, f"{reply.result} is no answer to {source}")
    if reply.number != str(order.number):
        return Evidence(source, Verdict.UNKNOWN, f"it is about number {shown(reply.number)}")
    is_known = bool(reply.kind) or reply.result not in WITHOUT_ORDER
    said = (reply.merchant, reply.kind, reply.amount_fen)
    if is_known and said != (merchant, order.kind.value, order.amount_fen):
        detail = f"{reply.result}: {reply.kind} of {reply.amount_fen} fen, merchant {reply.merchant}"
        return Evidence(source, Verdict.CONTRADICTORY, shown(f"{detail}; asked was another one"))
    return Evidence(source, verdict, shown(reply.bank_ref if verdict is Verdict.SUCCEEDED else reply.reason))


def shown(text: str) -> str:
    """A text of the other side, short and printable."""
    return "".join(one if one.isprintable() else "?" for one in text[:BANK_DETAIL_MAX])
