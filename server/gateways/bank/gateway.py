"""A bank as a gateway (docs/bank.md): cards, charges and payouts by card, notices, statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Final

import msgspec

from server.core.payments import Evidence, Order, Verdict
from server.core.reconciliation.statement_file import payment_number
from server.core.webhooks.addresses import networks_of
from server.gateways.bank import replies
from server.gateways.bank.calls import BankCalls
from server.gateways.bank.signing import SignedPart, keys_of, verify_signed
from server.gateways.port import (
    BankNotice,
    BankStatement,
    Capabilities,
    CardAsk,
    CardDeclined,
    CardOffer,
    GatewayAway,
    NoStatement,
    Unproven,
)

if TYPE_CHECKING:
    from server.clock import Clock
    from server.config import Config

BILL_BYTES_MAX: Final = 8 << 20  # some 60,000 rows; a larger one must come as a file: it would hold up the loop
BILL_S: Final = 120.0
NOT_SHOWN: Final = "****"  # the number of a card, in a reason


class BankGateway:
    """A bank; implements the ports of gateways with cards and with notices."""

    name = "bank"
    capabilities = Capabilities(takes_cards=True, takes_refunds=True, has_statements=True)

    def __init__(self, calls: BankCalls, merchant: str, now_ms: Callable[[], int]) -> None:
        """`merchant`: our name at the bank."""
        self._calls, self._merchant = calls, merchant
        self._now_ms = now_ms

    @property
    def patience_s(self) -> float:
        """The longest that a call about a payment takes."""
        return self._calls.timeout_s

    @property
    def is_away(self) -> bool:
        """The last calls got no answer, and it is not time yet to try again."""
        return self._calls.away.is_away

    def use_config(self, config: Config) -> None:
        """Calls from now on are signed and verified with the keys of this config, if it still has some.

        Without the section the gateway goes on until the restart.
        """
        if config.bank.keys:
            self._calls.keys = keys_of(config.bank)

    async def close(self) -> None:
        """Close all connections, for good: a later call is not made."""
        await self._calls.close()

    # --- payments -----------------------------------------------------------------------------------------------

    async def charge(self, order: Order) -> Evidence:
        """Take money from the card of the order."""
        return await self._about(order, "charge", "pay", self._order_call(order))

    async def payout(self, order: Order) -> Evidence:
        """Put money on the card of the order."""
        return await self._about(order, "payout", "payout", self._order_call(order))

    async def refund(self, order: Order) -> Evidence:
        """Give a charge, or a part of it, back to its card."""
        call = replies.RefundCall(self._merchant, str(order.number), str(order.of_number), order.amount_fen)
        return await self._about(order, "refund", "refund", call)

    async def query(self, order: Order) -> Evidence:
        """What has become of a number there."""
        return await self._about(order, "query", "query", _number_call(self._merchant, order))

    async def cancel(self, order: Order) -> Evidence:
        """Have a number closed, so that it will never be done: also one that has not arrived yet."""
        return await self._about(order, "close", "close", _number_call(self._merchant, order))

    def _order_call(self, order: Order) -> replies.OrderCall:
        return replies.OrderCall(self._merchant, str(order.number), order.token, order.amount_fen)

    async def _about(self, order: Order, source: str, verb: str, call: msgspec.Struct) -> Evidence:
        try:
            answer = await self._calls.post(verb, call)
        except Unproven as error:
            return Evidence(source, Verdict.UNKNOWN, str(error))
        return replies.payment_evidence(source, self._merchant, order, answer)

    # --- notices ------------------------------------------------------------------------------------------------

    def read_notice(self, path: str, headers: Mapping[str, str], body: bytes) -> BankNotice:
        """A notice that the bank has signed just now, for this path; perhaps taken before. Raises Unproven."""
        part = SignedPart("POST", path, body)
        claim = verify_signed(self._calls.keys, headers, part, self._now_ms() / 1000)
        number = payment_number(replies.decoded(body, replies.OrderReply).number)
        if number is None:
            raise Unproven("the notice names no number of a payment")
        return BankNotice(number, body, claim)

    def evidence_of(self, notice: BankNotice, order: Order) -> Evidence:
        """What a notice says about the order that has its number."""
        return replies.payment_evidence("notice", self._merchant, order, notice.body)

    # --- cards --------------------------------------------------------------------------------------------------

    async def bind(self, ask: CardAsk) -> CardOffer:
        """Begin to bind a card. Raises CardDeclined, GatewayAway."""
        try:
            told = await self._card("cards", replies.CardCall(self._merchant, *ask), "offered")
            return replies.offer_of(told, ask.number)
        except CardDeclined as declined:
            raise CardDeclined(str(declined).replace(ask.number, NOT_SHOWN)) from None
        except Unproven as error:
            raise GatewayAway(str(error)) from None

    async def confirm(self, binding: str) -> str:
        """End it: the token of the card. Raises CardDeclined, GatewayAway."""
        told = await self._card("cards/confirm", replies.BindingCall(self._merchant, binding), "bound")
        if not replies.is_kept(told.token):
            raise GatewayAway("the bank has bound the card and names no token")
        return told.token

    async def send_code(self, request_id: str, to: str, text: str) -> None:
        """Send a text to the phone of a binding or a token. Raises CardDeclined, GatewayAway."""
        await self._card("sms", replies.SmsCall(self._merchant, request_id, to, text), "sent")

    async def unbind(self, token: str) -> None:
        """The token is used no more. Raises CardDeclined, GatewayAway."""
        await self._card("cards/unbind", replies.TokenCall(self._merchant, token), "unbound")

    async def _card(self, verb: str, call: msgspec.Struct, done: str) -> replies.CardReply:
        """A call about a card. Only a signed definite answer is one; anything else is away, and may be repeated."""
        try:
            told = replies.decoded(await self._calls.post(verb, call), replies.CardReply)
        except Unproven as error:
            raise GatewayAway(str(error)) from None
        if told.result == done:
            return told
        if told.result == "declined":
            raise CardDeclined(replies.shown(told.reason))
        raise GatewayAway(f"unknown result {replies.shown(told.result)!r}")

    # --- statements ---------------------------------------------------------------------------------------------

    async def statement(self, day: date) -> BankStatement:
        """The newest statement of a Beijing day, its signature not yet checked. Raises NoStatement."""
        call = replies.BillCall(self._merchant, day.isoformat())
        try:
            bill = replies.decoded(await self._calls.post("bill", call, BILL_BYTES_MAX, BILL_S), replies.BillReply)
        except Unproven as error:
            raise NoStatement(f"{error}; the file of the statement can be imported, too") from None
        if bill.result != "ready":
            raise NoStatement(replies.shown(bill.reason or bill.result))
        signature = {
            "gateway": self.name,
            "merchant": bill.merchant,
            "day": bill.day,
            "issue": bill.issue,
            "rows": bill.rows,
            "sha256": bill.sha256,
            "serial": bill.serial,
            "signature": bill.signature,
        }
        return BankStatement(day, bill.issue, bill.csv.encode(), msgspec.json.encode(signature) + b"\n")


def _number_call(merchant: str, order: Order) -> replies.NumberCall:
    return replies.NumberCall(merchant, str(order.number), order.kind.value)


def gateway_of(config: Config, clock: Clock) -> BankGateway:
    """The gateway that the config asks for. Made inside a running loop."""
    section = config.bank
    calls = BankCalls(
        section.url,
        keys_of(section),
        section.timeout_s,
        networks_of(section.allow_private),
        clock.now_ms,
        clock.elapsed_s,
        clock.random_bytes,
    )
    return BankGateway(calls, section.merchant, clock.now_ms)
